"""The socket's language: verbs and nothing else, through a path of any length."""

import socket
import threading
from pathlib import Path

import msgspec
import pytest

from trainwarden.errors import RefusedError, RunFolderError
from trainwarden.model import RunState
from trainwarden.runs import control
from trainwarden.runs.folder import RunFolder

STATE = RunState(run_id="r1", generation=1, open=True, beat_at=1.0, beat_monotonic=1.0, started_at=1.0)


@pytest.mark.parametrize(
    "request_", [control.Probe(by="receiver"), control.Stop(final=True), control.Start(checkpoint="/c", generation=2)]
)
def test_a_verb_survives_the_wire(request_: control.Request) -> None:
    assert control.decode_request(msgspec.json.encode(request_)) == request_


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"probe",
        b"[]",
        b"{}",
        b'{"verb": "exec"}',
        b'{"verb": "probe", "command": "rm -rf /"}',
        b'{"verb": "start"}',
        b'{"verb": "start", "checkpoint": "/c", "generation": "2"}',
        b'{"verb": "stop", "by": "root"}',
        b'{"verb": "stop", "reason": "\xff"}',
        b'{"verb": ' + b"[" * 50_000,
    ],
)
def test_what_is_no_verb_is_refused_in_one_sentence(line: bytes) -> None:
    with pytest.raises(RefusedError, match="not a verb of this socket"):
        control.decode_request(line)


def answer(folder: RunFolder, reply: bytes) -> threading.Thread:
    """A supervisor that gives one answer."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with control.address(folder) as where:
        listener.bind(where)
    listener.listen(1)

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            connection.makefile("rb").readline()
            connection.sendall(reply)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize("depth", [0, 5])
def test_asking_works_however_long_the_path_is(tmp_path: Path, depth: int) -> None:
    root = tmp_path.joinpath(*["d" * 50] * depth)
    folder = RunFolder("luca", root)
    folder.create()
    thread = answer(folder, msgspec.json.encode(control.Reply(ok=True, state=STATE)) + b"\n")
    assert control.ask(folder, control.Probe()) == STATE
    thread.join()


def test_a_refusal_is_the_supervisors_own_sentence(tmp_path: Path) -> None:
    folder = RunFolder("luca", tmp_path)
    folder.create()
    thread = answer(folder, msgspec.json.encode(control.Reply(ok=False, error="generation 2 was launched already")))
    with pytest.raises(RefusedError, match=r"^generation 2 was launched already$"):
        control.ask(folder, control.Start(checkpoint="/c", generation=2))
    thread.join()


def test_nobody_there_is_one_sentence(tmp_path: Path) -> None:
    folder = RunFolder("luca", tmp_path)
    with pytest.raises(RunFolderError, match="is 'luca' a run of this user"):
        control.ask(folder, control.Probe())
    folder.create()
    with pytest.raises(RunFolderError, match="its supervisor does not answer"):
        control.ask(folder, control.Probe())
