"""The GPU memory gate, and the throwaway child."""

import sys
from pathlib import Path

import pytest

from tests.restart.world import GIB, GPU, World
from tests.support.wait import wait_until
from trainwarden.restart.gate import Child, Memory, blocked, wanted


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize(
    ("memory", "peak", "passes"),
    [
        (Memory(1.0 * GIB, 15 * GIB), None, True),
        (Memory(1.4 * GIB, 15 * GIB), None, True),
        (Memory(1.6 * GIB, 14 * GIB), None, False),
        (Memory(3 * GIB, 13 * GIB), 13 * GIB, True),
        (Memory(4 * GIB, 12 * GIB), 13 * GIB, False),
        (Memory(15 * GIB, 1 * GIB), 15 * GIB, False),
        (Memory(None, None), None, False),
        (Memory(3 * GIB, None), 1 * GIB, False),
    ],
    ids=[
        "back at the baseline", "within the tolerance", "above it", "a browser came, and all fits beside it",
        "no margin left", "still held", "memory not told", "free not told",
    ],
)  # fmt: skip
def test_the_gate(world: World, memory: Memory, peak: int | None, passes: bool) -> None:
    said = blocked(world.spec, [GPU], {GPU: memory}, {} if peak is None else {GPU: peak})
    assert (said == "") is passes
    assert passes or GPU in said


def test_a_card_that_is_gone_does_not_pass(world: World) -> None:
    assert "does not tell" in blocked(world.spec, [GPU], {}, {})


def test_no_gpu_passes(world: World) -> None:
    assert blocked(world.spec, [], {}, {}) == ""


def test_unknown_gpus_mean_those_that_the_machine_had_at_the_launch(world: World) -> None:
    assert wanted(world.spec, None) == [GPU]
    assert wanted(world.spec, ["GPU-2"]) == ["GPU-2"]
    assert wanted(world.spec, []) == []


def child(monkeypatch: pytest.MonkeyPatch, code: str) -> Child:
    monkeypatch.setattr(Child, "COMMAND", (sys.executable, "-c", code))
    return Child()


def test_a_child_answers_without_being_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    go = tmp_path / "go"  # until it is there, the child has no answer
    said = f'{{"gpus":[{{"uuid":"{GPU}","index":0,"memory_used_bytes":10,"memory_total_bytes":30}}]}}'
    waiting = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\nprint({said!r})"
    asked = child(monkeypatch, waiting)
    assert [asked.ask() for _ in range(3)] == [None] * 3
    go.touch()
    assert wait_until(asked.ask, 10, "the child answers") == {GPU: Memory(10, 20)}


@pytest.mark.parametrize("code", ["raise SystemExit(1)", "print('no JSON')", "import os; os.kill(os.getpid(), 9)"])
def test_a_child_that_fails_has_found_nothing_and_another_is_sent(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    asked, sent, send = child(monkeypatch, code), [], Child._send

    def remember(self: Child) -> None:
        send(self)
        sent.append(self._process)

    # A child may have ended before it is first asked: what was sent is counted where it is sent.
    monkeypatch.setattr(Child, "_send", remember)
    assert asked.ask() is None
    sent[0].wait(10)
    assert asked.ask() is None
    assert asked.ask() is None
    assert len(sent) >= 2
    for process in sent:
        process.wait(10)


def test_a_child_that_never_comes_back_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = child(monkeypatch, "import time; time.sleep(60)")
    assert [asked.ask() for _ in range(3)] == [None] * 3
    first = asked._process
    try:
        asked._until = 0.0
        assert asked.ask() is None
        assert asked._process is not first
        assert first.poll() is None, "nobody killed it: that can wedge WSL2"
    finally:
        for process in (first, asked._process):
            process.kill()
            process.wait()


def test_the_real_child_tells_what_the_gate_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Child()
    answer = None

    def done() -> bool:
        nonlocal answer
        before = asked._process
        answer = asked.ask()
        return answer is not None or (before is not None and asked._process is None)

    wait_until(done, 20, "the child is done")
    assert answer is None or all(memory.used is not None for memory in answer.values())
