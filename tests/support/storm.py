"""Webhooks by the thousand: what they say, and a client that sends them over many connections at once."""

import json
import random
import selectors
import socket
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

PATIENCE = 60.0
"""Seconds in which every answer must have come."""

ATTACKS = (
    "$(touch {marker})",
    "`touch {marker}`",
    "'; touch {marker}; '",
    "| touch {marker}",
    "../../../../{marker}",
    "/proc/self/environ",
    "%s%s%s%n%n%n",
    "{{0.__class__.__mro__}}",
    "{{{{ 7 * 7 }}}}",
    "\x1b[2J\x1b]0;x\x07",
    "a\nb\r\nSet-Cookie: c",
    "\u202e\u0000",
)
"""What shells, paths, formats and terminals might fall for; ``{marker}`` is a file that must not come to be."""


class Answer(NamedTuple):
    """What came back for one request."""

    status: int
    seconds: float
    """From the request's first byte to the answer's last."""


def attacks(marker: str) -> list[str]:
    """The attacks, aimed at that file."""
    return [attack.format(marker=marker) for attack in ATTACKS]


def alert(run: str, generation: int, *, status: str = "firing", name: str = "TrainwardenRunHung", **more: Any) -> Any:
    """One alert as Alertmanager sends it."""
    labels = {"alertname": name, "run": run, "generation": str(generation), "action": "restart", "severity": "critical"}
    return {
        "status": status,
        "labels": {**labels, "instance": "night", **more.get("labels", {})},
        "annotations": more.get("annotations", {"summary": "hangs"}),
        "startsAt": more.get("starts_at", "2026-11-24T00:00:00Z"),
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2026-11-24T01:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": more.get("fingerprint", "5ca1ab1e5ca1ab1e"),
    }


def payload(*alerts: Any, sender: str = "a") -> bytes:
    """A webhook's body; ``sender`` tells two Alertmanagers of a pair apart."""
    group = {"receiver": "trainwarden", "status": "firing", "groupKey": '{}/{action="restart"}:{run="x"}'}
    address = {"externalURL": f"http://alertmanager-{sender}:9093", "version": "4", "truncatedAlerts": 0}
    return json.dumps({**group, **address, "alerts": list(alerts)}).encode()


def for_one_hang(run: str, generation: int, count: int, seed: int) -> list[bytes]:
    """Duplicates, both of a pair, replays of all ages, other generations, and firing mixed with resolved; shuffled."""
    chance = random.Random(seed)
    return [_one(chance, run, generation) for _ in range(count)]


def _one(chance: random.Random, run: str, generation: int) -> bytes:
    sender = chance.choice("ab")
    said = alert(run, generation, starts_at=f"2026-11-{chance.randint(1, 28):02}T00:00:00Z")
    match chance.randrange(8):
        case 0:
            alerts = [said, alert(run, generation, status="resolved", name="TrainwardenRunCrashed")]
        case 1:
            alerts = [alert(run, generation, status="resolved"), said]
        case 2:
            alerts = [alert(run, chance.choice([generation + 1, generation + 7])), said]
        case 3:
            alerts = [said, said]
        case _:
            alerts = [said]
    return payload(*alerts, sender=sender)


def request(body: bytes, token: str, path: str = "/alerts", method: str = "POST") -> bytes:
    """The bytes on the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: r\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class _Line:
    """One connection, and what is still to be sent over it."""

    def __init__(self, address: tuple[str, int], requests: list[bytes]) -> None:
        self._address = address
        self._requests = requests
        self.answers: list[Answer] = []
        self._connect()

    def _connect(self) -> None:
        self.socket = socket.create_connection(self._address, timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def send(self) -> bool:
        """Send the next request; False where there is none."""
        if not self._requests:
            return False
        self._began = time.perf_counter()
        self.socket.sendall(self._requests.pop())
        return True

    def read(self) -> bool:
        """Take what there is; says whether the answer is whole, or the server hung up behind it."""
        data = self.socket.recv(65536)
        self._received += data
        head, ended, body = self._received.partition(b"\r\n\r\n")
        whole = bool(ended) and len(body) >= _length(head)
        assert whole or data, f"hung up without an answer: {self._received!r}"
        if whole:
            self.answers.append(Answer(int(head.split()[1]), time.perf_counter() - self._began))
            self._received = b""
        return whole

    def anew(self) -> None:
        """Connect again, as a client does whose server closes after an error."""
        self.socket.close()
        self._connect()


def _length(head: bytes) -> int:
    lengths = (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return int(next(lengths, b":0").split(b":")[1])


def send(address: tuple[str, int], requests: Sequence[bytes], connections: int = 50) -> list[Answer]:
    """Send all of them, so many at once, each connection the next when it has its answer."""
    lines = [_Line(address, list(requests[number::connections])) for number in range(connections)]
    with selectors.DefaultSelector() as selector:
        for line in lines:
            if line.send():
                selector.register(line.socket, selectors.EVENT_READ, line)
        until = time.monotonic() + PATIENCE
        while selector.get_map():
            assert time.monotonic() < until, "not every answer has come"
            for ready, _ in selector.select(1):
                _go_on(selector, ready.data)
    for line in lines:
        line.socket.close()
    return [answer for line in lines for answer in line.answers]


def _go_on(selector: selectors.BaseSelector, line: _Line) -> None:
    if not line.read():
        return
    selector.unregister(line.socket)
    if line.answers[-1].status >= 400:
        line.anew()
    if line.send():
        selector.register(line.socket, selectors.EVENT_READ, line)


def p99(answers: Sequence[Answer]) -> float:
    """Seconds."""
    times = sorted(answer.seconds for answer in answers)
    return times[min(len(times) - 1, int(len(times) * 0.99))]


def fuzzed(valid: bytes, count: int, seed: int) -> list[bytes]:
    """Bytes flipped, cut, doubled, nested without end, of other types, and none at all; the same for the same seed."""
    chance = random.Random(seed)
    return [_fuzz(chance, bytearray(valid)) for _ in range(count)]


def _fuzz(chance: random.Random, data: bytearray) -> bytes:
    match chance.randrange(8):
        case 0:
            return bytes(data[: chance.randrange(len(data))])
        case 1:
            return chance.randbytes(chance.randrange(2000))
        case 2:
            depth = chance.randrange(1, 20_000)
            return chance.choice([b"[", b'{"alerts":']) * depth
        case 3:
            return json.dumps(_bent(chance, json.loads(data))).encode()
        case 4:
            at = chance.randrange(len(data))
            return bytes(data[:at] + chance.randbytes(8) + data[at:])
        case 5:
            return bytes(data).replace(b'"', chance.choice([b"'", b"", b'\\"', b"\xff"]), chance.randrange(1, 20))
        case 6:
            return bytes(data) * 2
        case _:
            for _ in range(chance.randrange(1, 30)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            return bytes(data)


_ODD: tuple[Any, ...] = (None, True, -1, 1e308, "", "x" * 5000, [], {}, [[]], "\ud800", "../..", "%n")


def _bent(chance: random.Random, value: Any) -> Any:
    """The same, with one place of another type."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        name = chance.choice(sorted(value))
        return {**value, name: _bent(chance, value[name])}
    if isinstance(value, list) and value and chance.random() < 0.8:
        return [_bent(chance, value[0]), *value[1:]]
    return chance.choice(_ODD)
