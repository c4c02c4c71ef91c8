"""From a fault to the first new step: by the whole loop, by torchrun, and by a supervisor that restarts at once."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tests.bench.bench import Bench
from tests.bench.programs import REPOSITORY
from tests.bench.report import Part, Target, number
from tests.e2e.night import LIMITS, Night, Run, night
from tests.support import storm
from tests.support.nvml import FakeDriver, build_library
from tests.support.wait import wait_until
from trainwarden import system
from trainwarden.stack import tools

STEPS, CRASH, HANG = 10, 35, 35
"""Steps of an epoch, after each of which is saved; and the step in which it goes wrong, in epoch 4."""
TOKEN = "a-token-of-this-night"
LOOK = 1.0
"""How far apart the two readings of a hang are in these nights, seconds: their step limit."""
PAUSE = float(LIMITS["pause_after_stop"].removesuffix("s"))
"""Seconds."""
_FAULT = b"CUDA error: unknown error"
_STEP = re.compile(rb"steps:[^\r\n]*?\| *([1-9]\d*)/")


class Restart(NamedTuple):
    """One restart, seconds."""

    heard: float
    """From the fault to the webhook that was accepted: scrape, rule, Alertmanager."""
    own: float
    """From the accepted webhook to the launch, without what is waited for: look-again, grace, gate and pause."""
    waited: float
    stepping: float
    """From the launch to the first new step."""
    whole: float
    """From the fault to the first new step."""


def run(bench: Bench) -> Part:
    """Crashes and hangs one after the other, then a storm, then the others with the same crash."""
    crashes, hangs = (2, 1) if bench.quick else (5, 2)
    with _watch(bench, crashes + hangs + 1) as watch:
        bench.say(f"{crashes} crashes, one after the other, under the whole loop")
        crashed = [_crash(watch, number) for number in range(crashes)]
        bench.say(f"{hangs} hang(s)")
        hung = [_hang(watch, crashes + number) for number in range(hangs)]
        bench.say("1,000 webhooks for one hang, over 50 connections")
        answers = _storm(watch, crashes + hangs)
    rows = [("trainwarden, a crash", *_figures(crashed)), ("trainwarden, a hang", *_figures(hung))]
    rows += [(name, "", "", "", "", number(seconds)) for name, seconds in _others(bench, 2 if bench.quick else 5)]
    own = max(one.own for one in (*crashed, *hung))
    targets = [
        Target("the receiver's own share, the longest", own, 1, "s"),
        Target("answers in a storm, p99", storm.p99(answers) * 1000, 50, "ms"),
    ]
    columns = ("", "fault to webhook, s", "own share, s", "waited, s", "launch to step, s", "fault to step, s")
    return Part("From a fault to the first new step", columns, rows, targets, tuple(_notes()))


def _notes() -> Iterator[str]:
    yield (
        "Medians, in the end-to-end tests' time: a minute of the shipped rules is a second, scrapes and Alertmanager's"
        f" groups are one, the pause after a stop is {LIMITS['pause_after_stop']}. When a hang began cannot be timed."
    )
    if not _torch():
        yield "torchrun is not measured: PyTorch is not installed here (`make .venv/.frameworks`)."


def _figures(restarts: list[Restart]) -> tuple[str, ...]:
    """NaN is what cannot be timed."""
    found = [median(values) for values in zip(*restarts, strict=True)]
    return tuple("" if value != value else number(value) for value in found)


# --- the whole loop -------------------------------------------------------------------------------------------


@contextmanager
def _watch(bench: Bench, runs: int) -> Iterator[Night]:
    driver = FakeDriver(build_library(bench.folder / "nvml"), bench.folder / "nvml.script", gpus=runs)
    found = tools.locate(REPOSITORY / ".tools", bench.say)
    with night(bench.folder, found, driver, {f"run{number}": {"gpus": [number]} for number in range(runs)}) as watch:
        yield watch


def _launch(watch: Night, index: int, **fault: Any) -> Run:
    demo = {"max_train_epochs": 1000, "steps_per_epoch": STEPS, "save_every_n_epochs": 1, "step_seconds": 0.05}
    return watch.launch(f"run{index}", **demo, **fault)


def _crash(watch: Night, index: int) -> Restart:
    run = _launch(watch, index, **{"crash-at-step": CRASH})
    return _restart(run, _seen(run.folder.output_path(1), lambda said: _FAULT in said, 60))


def _hang(watch: Night, index: int) -> Restart:
    run = _launch(watch, index, **{"hang-at-step": HANG})
    wait_until(lambda: run.step() >= HANG - 1, 60, "it reaches the step in which it hangs")
    watch.driver.set(gpu=index, utilization=0)
    return _restart(run, float("nan"))


def _restart(run: Run, fault: float) -> Restart:
    stepped = _seen(run.folder.output_path(2), lambda said: bool(_STEP.search(said)), 120)
    wait_until(lambda: run.ledger("recovered"), 60, "it has recovered")
    run.viewer.send_signal(signal.SIGINT)  # as its user stops it, for the next one's sake
    state = run.state
    assert state is not None
    accepted, launched = run.ledger("accepted")[0]["at"], state.started_at
    waited = _waited(run)
    return Restart(
        heard=accepted - fault,
        own=launched - accepted - waited,
        waited=waited,
        stepping=stepped - launched,
        whole=stepped - fault,
    )


def _waited(run: Run) -> float:
    """What is to be waited for, seconds: the look, the grace, and the gate and the pause, which begin together."""
    events = {name: run.ledger(name)[0] for name in ("decided", "stopping", "died", "freed")}
    mono = {name: event["mono"] for name, event in events.items()}
    look = LOOK if events["decided"]["reason"] == "hung" else 0.0
    return look + mono["died"] - mono["stopping"] + max(PAUSE, mono["freed"] - mono["died"])


def _seen(log: Path, there: Callable[[bytes], bool], seconds: float) -> float:
    """When the log said so, Unix seconds; looked at every 5 ms."""
    wait_until(lambda: log.exists() and there(log.read_bytes()), seconds, f"{log.name} says it", every=0.005)
    return time.time()


def _storm(watch: Night, index: int) -> list[storm.Answer]:
    run = _launch(watch, index, **{"hang-at-step": HANG})
    wait_until(lambda: run.step() >= HANG - 1, 60, "it reaches the step in which it hangs")
    watch.driver.set(gpu=index, utilization=0)
    host, _, port = watch.url("receiver").removeprefix("http://").partition(":")
    bodies = storm.for_one_hang(run.name, 1, 1000, seed=1)
    return storm.send((host, int(port)), [storm.request(body, TOKEN) for body in bodies])


# --- the others -----------------------------------------------------------------------------------------------


def _torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _others(bench: Bench, rounds: int) -> Iterator[tuple[str, float]]:
    training = [str(Path(__file__).with_name("again.py"))]
    at_once = [sys.executable, "-c", _AT_ONCE, sys.executable, *training]
    programs = {"a supervisor that restarts at once": at_once}
    if _torch():
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1"]
        programs["torchrun --max-restarts"] = [*torchrun, "--max-restarts=3", *training]
    for name, command in programs.items():
        bench.say(f"{name}, {rounds} times")
        yield name, median(_other(bench.folder / f"{name[:8]}-{number}", command) for number in range(rounds))


_AT_ONCE = "import subprocess, sys\nwhile subprocess.run(sys.argv[1:]).returncode: pass"


def _other(folder: Path, command: list[str]) -> float:
    """Seconds from the fault to the first step behind the resume."""
    folder.mkdir()
    log = folder / "log"
    with log.open("wb") as words:
        process = subprocess.Popen(
            [*command, str(folder), str(STEPS), str(CRASH)],
            stdout=words,
            stderr=words,
            cwd=REPOSITORY,
            start_new_session=True,
        )
    try:
        fault = _seen(log, lambda said: _FAULT in said, 60)
        return _seen(log, _steps_again, 60) - fault
    finally:
        _end(process.pid)
        process.wait()


def _end(pid: int) -> None:
    """The program and what it started (torchrun's workers have sessions of their own); held first, lest it restarts."""
    os.kill(pid, signal.SIGSTOP)
    children = [stat.pid for stat in map(system.read_stat, system.all_pids()) if stat and stat.parent == pid]
    for member in (*children, pid):
        os.kill(member, signal.SIGKILL)


def _steps_again(said: bytes) -> bool:
    _, resumed, after = said.rpartition(b"resume training from")
    return bool(resumed) and _STEP.search(after) is not None
