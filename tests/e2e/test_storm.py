"""A real receiver in a storm of webhooks, and under attack, beside a real run that hangs: it is restarted once."""

import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

import pytest
import requests

from tests.bench.processes import resident_bytes
from tests.e2e.night import Night, Run
from tests.support import storm
from tests.support.nvml import FakeDriver
from tests.support.wait import wait_until
from trainwarden import system
from trainwarden.errors import RefusedError
from trainwarden.names import GENERATION_ENVIRONMENT, RUN_ID_ENVIRONMENT
from trainwarden.runs import control
from trainwarden.stack.tools import Tools

HANG, TOKEN = 25, "a-token-of-this-night"
FUZZED = [pytest.param(500, id="500"), pytest.param(10_000, id="10000", marks=[pytest.mark.heavy])]


class Storm:
    """Exporter and receiver without Prometheus and Alertmanager, whose part the tests play, and one run."""

    def __init__(self, night: Night) -> None:
        self.night = night
        host, _, port = night.url("receiver").removeprefix("http://").partition(":")
        self.address = host, int(port)
        self.launched: dict[int, set[int]] = {}
        """Pids that were seen as the training itself, by generation, from /proc."""
        self._threads, self._descriptors = self._held()
        self._over = Event()
        self.run: Run

    def hang(self) -> None:
        """Start the run, and let it hang beside an idle GPU."""
        demo = {"max_train_epochs": 400, "steps_per_epoch": 10, "save_every_n_epochs": 1, "hang-at-step": HANG}
        self.run = self.night.launch("luca", **demo)
        self._watch = Thread(target=self._look, daemon=True)
        self._watch.start()
        wait_until(lambda: self.run.step() >= HANG - 1, 60, "it reaches the step in which it hangs")
        self.night.driver.set(gpu=0, utilization=0)

    def post(self, bodies: list[bytes], connections: int = 50) -> list[storm.Answer]:
        return storm.send(self.address, [storm.request(body, TOKEN) for body in bodies], connections)

    def _look(self) -> None:
        """Who trains, ten times a second: a second launch would be seen though nobody wrote it down."""
        while not self._over.wait(0.1):
            spec = self.run.folder.read_spec()
            for pid in system.all_pids() if spec is not None else ():
                told = system.read_environment(pid)
                if told.get(RUN_ID_ENVIRONMENT) == spec.run_id and _trains(pid):
                    self.launched.setdefault(int(told[GENERATION_ENVIRONMENT]), set()).add(pid)

    def end(self) -> None:
        self._over.set()
        self._watch.join()

    def counted(self) -> Counter[str]:
        """The alerts that the receiver has counted, by outcome."""
        text = requests.get(self.night.url("receiver", "/metrics"), timeout=10).text
        lines = [line for line in text.splitlines() if line.startswith("trainwarden_alerts_received_total{")]
        return Counter({line.split('"')[1]: int(float(line.rsplit(" ", 1)[1])) for line in lines})

    def ledger(self) -> bytes:
        """What the receiver has entered for the run."""
        path = self.run.folder.ledger_path
        return path.read_bytes() if path.exists() else b""

    def at_rest(self) -> bool:
        """Whether the receiver has no more threads and descriptors than at its start.

        But for one thread that stands by for listings of the checkpoint folder, once there was one.
        """
        threads, descriptors = self._held()
        return threads <= self._threads + 1 and descriptors <= self._descriptors

    def _held(self) -> tuple[int, int]:
        """Threads and descriptors of the receiver, from /proc."""
        process = Path(f"/proc/{self.night.pid('receiver')}")
        return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))


def _trains(pid: int) -> bool:
    try:
        return b"trainwarden.demo" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


@pytest.fixture(scope="module")
def stormy(folder: Path, tools: Tools, driver: FakeDriver) -> Iterator[Storm]:
    night = Night(folder, tools, driver)
    night.configure({"luca": {"gpus": [0]}})
    try:
        for name in ("exporter", "receiver"):
            night.start(name)
        found = Storm(night)
        found.hang()
        yield found
        found.end()
    finally:
        night.close()


def test_a_thousand_webhooks_of_one_hang_are_one_restart(stormy: Storm) -> None:
    """Four hundred while it hangs, three hundred while it is restarted, three hundred when it trains again."""
    run = stormy.run
    answers = stormy.post(storm.for_one_hang("luca", 1, 400, seed=1))
    stormy.post([storm.payload(storm.alert("luca", 1))], 1)  # as Alertmanager repeats what still stands
    wait_until(lambda: run.ledger("decided"), 30, "it is decided about")
    answers += stormy.post(storm.for_one_hang("luca", 1, 300, seed=2))
    wait_until(lambda: run.generation() == 2, 60, "it is launched again")
    stormy.night.driver.set(gpu=0, utilization=99)
    wait_until(lambda: run.ledger("recovered"), 60, "it has recovered")
    answers += stormy.post(storm.for_one_hang("luca", 1, 300, seed=3))
    wait_until(
        lambda: (
            stormy.night.metric("receiver", 'trainwarden_restart_state{run="luca",state="watching"}') == 1
            or run.ledger("held")
        ),
        30,
        "what the storm has said of the second generation is looked at",
    )

    assert (len(answers), {answer.status for answer in answers}) == (1000, {200, 202})
    print(f"\n1,000 webhooks over 50 connections: p99 {storm.p99(answers) * 1000:.1f} ms")
    step = run.step()
    wait_until(lambda: run.step() > step, 10, "it trains on")
    assert len(run.ledger("launched")) == 1
    assert {generation: len(pids) for generation, pids in stormy.launched.items()} == {1: 1, 2: 1}
    wait_until(stormy.at_rest, 15, "no thread and no descriptor is left")


@pytest.mark.parametrize("count", FUZZED)
def test_fuzzed_payloads_are_4xx_and_change_nothing(stormy: Storm, count: int) -> None:
    valid = storm.payload(storm.alert("nobody", 1))
    bodies, ledger = storm.fuzzed(valid, count, seed=4), stormy.ledger()
    answers = stormy.post(bodies, connections=20)
    statuses = Counter(answer.status for answer in answers)
    assert sum(statuses.values()) == count
    assert set(statuses) <= {200, 400}, statuses
    # 200: what was bent is none of what is read, and the run is one that this machine does not have.
    assert statuses[400] > 0.8 * count
    assert stormy.ledger() == ledger
    assert stormy.post([valid])[0].status == 200


def test_attacks_in_labels_and_annotations_change_nothing_but_a_counter(stormy: Storm, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    words = storm.attacks(str(marker))
    alerts = [
        storm.alert("nobody", 1, labels={place: word})
        for word in words
        for place in ("run", "alertname", "generation", word)
    ]
    alerts += [storm.alert("nobody", 1, annotations={word: word}, fingerprint=word, starts_at=word) for word in words]
    before, files, ledger = stormy.counted(), _files(stormy), stormy.ledger()
    answers = stormy.post([storm.payload(one) for one in alerts])
    assert {answer.status for answer in answers} == {200}
    assert sum((stormy.counted() - before).values()) == len(alerts)
    assert not marker.exists()
    assert (_files(stormy), stormy.ledger()) == (files, ledger)
    said = (stormy.night.folder / "receiver.log").read_text()
    assert not [word for word in words if word in said]


def _files(stormy: Storm) -> set[str]:
    """Everything in the state home, but what the run itself writes all the time."""
    root = stormy.night.folder / "state"
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.name.startswith(".")}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/alerts", 405), ("PUT", "/alerts", 405), ("BREW", "/alerts", 405), ("DELETE", "/", 405),
        ("POST", "/", 405), ("POST", "/alert", 404), ("POST", "/../alerts", 404), ("GET", "/%2e%2e/etc/passwd", 404),
    ],
)  # fmt: skip
def test_wrong_methods_and_paths(stormy: Storm, method: str, path: str, status: int) -> None:
    asked = storm.request(storm.payload(storm.alert("luca", 2)), TOKEN, path, method)
    assert [answer.status for answer in storm.send(stormy.address, [asked], 1)] == [status]


def test_a_hundred_megabytes_are_refused_unread(stormy: Storm) -> None:
    pid = stormy.night.pid("receiver")
    before = resident_bytes(pid)
    head = storm.request(b"", TOKEN).replace(b"Content-Length: 0", b"Content-Length: 104857600")
    with socket.create_connection(stormy.address, timeout=20) as connection:
        connection.sendall(head)
        try:
            for _ in range(100):
                connection.sendall(b" " * 1024**2)
        except OSError:
            pass  # hung up on
        try:
            said = connection.recv(1000)
        except ConnectionResetError:
            said = b"HTTP/1.1 413 "
    assert said.startswith(b"HTTP/1.1 413 ")
    assert resident_bytes(pid) - before < 20 * 1024**2
    assert stormy.post([storm.payload(storm.alert("nobody", 1))])[0].status == 200


@pytest.mark.parametrize("part", ["head", "body"])
def test_two_hundred_who_never_finish_their_request_hold_nobody_up(stormy: Storm, part: str) -> None:
    whole = storm.request(storm.payload(storm.alert("nobody", 1)), TOKEN)
    begun = whole[:60] if part == "head" else whole[:-1]
    with ExitStack() as stack:
        for _ in range(200):
            slow = stack.enter_context(socket.create_connection(stormy.address, timeout=20))
            slow.sendall(begun)
        answers = stormy.post([storm.payload(storm.alert("nobody", 1))] * 50, connections=5)
        assert {answer.status for answer in answers} == {200}
    wait_until(stormy.at_rest, 15, "no thread and no descriptor is left")


@pytest.mark.parametrize("count", FUZZED)
def test_what_is_no_verb_of_the_control_socket_changes_nothing(stormy: Storm, count: int) -> None:
    run = stormy.run
    pid, generation, ledger = run.training_pid(), run.generation(), stormy.ledger()
    verbs = [b'{"verb":"probe","by":"receiver"}', b'{"verb":"stop","by":"user","final":true}',
             b'{"verb":"start","checkpoint":"/etc/passwd","generation":3}', b'{"verb":"detach"}']  # fmt: skip
    messages = [one for number, verb in enumerate(verbs) for one in storm.fuzzed(verb, count // 4, seed=number)]
    messages += [
        json.dumps({"verb": word, "checkpoint": word, "generation": 3}).encode() for word in storm.attacks("/m")
    ]
    for message in filter(_no_verb, messages):
        answer = _say(run, message)
        assert answer == b"" or json.loads(answer)["ok"] is False, message
    assert (run.training_pid(), run.generation(), run.state.ended) == (pid, generation, None)
    assert stormy.ledger() == ledger
    assert control.ask(run.folder, control.Probe()).generation == generation


def _no_verb(message: bytes) -> bool:
    """Not even in its first line, which is all that is heard."""
    try:
        control.decode_request(message.partition(b"\n")[0])
    except RefusedError:
        return True
    return False


def _say(run: Run, message: bytes) -> bytes:
    with control.address(run.folder) as where, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect(where)
        try:
            connection.sendall(message + b"\n")
            return connection.makefile("rb").readline()
        except (BrokenPipeError, ConnectionResetError):
            return b""  # refused before all of it was read
