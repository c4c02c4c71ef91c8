"""A real training that hangs, a receiver that is killed at a line of its ledger, and the one that comes after it."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.e2e.night import Night, Run
from tests.support.nvml import FakeDriver
from tests.support.wait import wait_until
from trainwarden import system
from trainwarden.stack.tools import Tools

SETTINGS = {"max_train_epochs": 8, "steps_per_epoch": 10, "save_every_n_epochs": 1, "hang-at-step": 45}
STAGES = ("accepted", "decided", "captured", "stopping", "died", "freed", "paused", "chosen", "launched", "recovered")
"""What the ledger gets of an undisturbed restart, in order."""


class Case(NamedTuple):
    """What happens, and about which line of the ledger."""

    meanwhile: str
    stage: str
    when: str

    def __str__(self) -> str:
        return f"{self.meanwhile}-{self.when}-{self.stage}"


class End(NamedTuple):
    """What came of it."""

    run_id: str
    exit_code: int
    outcome: str
    weights: bytes
    launched: list[int]


def live(case: Case, folder: Path, tools: Tools, driver: FakeDriver) -> End:
    """The whole story of one case, to the return of `trainwarden run`."""
    folder.mkdir()
    watch = Night(folder, tools, driver)
    watch.configure({"luca": {"gpus": [0]}})
    try:
        watch.start("exporter")
        return _live(case, watch)
    finally:
        watch.close()


def _live(case: Case, watch: Night) -> End:
    reached = watch.folder / "reached"
    watch.start("receiver", ("tests.matrix.doomed", str(STAGES.index(case.stage) + 1), case.when, str(reached)))
    run = watch.launch("luca", **SETTINGS)
    wait_until(lambda: run.step() == 44, 60, "the training is at the step in which it hangs")
    wait_until(lambda: reached.exists() or _alert(watch, run), 90, f"the receiver is at {case.stage}", every=0.5)
    MEANWHILE[case.meanwhile](watch, run)
    watch.kill("receiver")
    watch.start("receiver")
    wait_until(lambda: run.viewer.poll() is not None or _alert(watch, run), 120, "the run is over", every=0.5)
    spec, state = run.folder.read_spec(), run.state
    assert spec is not None
    assert state is not None
    assert state.ended is not None
    final = run.checkpoints / "luca.safetensors"
    return End(
        run_id=spec.run_id,
        exit_code=run.viewer.returncode,
        outcome=state.ended.outcome.value,
        weights=final.read_bytes() if final.exists() else b"",
        launched=[entry["generation"] for entry in run.ledger("launched")],
    )


def _alert(watch: Night, run: Run) -> bool:
    """What Alertmanager would send now, and sends again; False, to be asked again."""
    state = run.state
    dead = state is not None and state.ended is not None
    name = "TrainwardenRunCrashed" if dead else "TrainwardenRunHung"
    generation = state.generation if state is not None and dead else 1
    watch.alert(name, run, generation)
    return False


# --- meanwhile ------------------------------------------------------------------------------------------------


def _nothing(_: Night, __: Run) -> None:
    pass


def _killed(_: Night, run: Run) -> None:
    for pid in run.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _recovers(_: Night, run: Run) -> None:
    """The hang ends: what the training reads from for ever says a byte. (A resumed one does not hang.)"""
    for pid in run.processes(generation=1):
        for number in _pipes_for_writing(pid):
            with suppress(OSError), (system.PROC / str(pid) / "fd" / number).open("wb", buffering=0) as pipe:
                pipe.write(b"x")


def _pipes_for_writing(pid: int) -> list[str]:
    folder = system.PROC / str(pid)
    found = []
    with suppress(OSError):
        for name in os.listdir(folder / "fd"):  # noqa: PTH208  (names, as fdinfo has them)
            flags = re.search(r"flags:\s*(\d+)", (folder / "fdinfo" / name).read_text())
            pipe = os.readlink(folder / "fd" / name).startswith("pipe:")  # noqa: PTH115
            if pipe and flags is not None and int(flags[1], 8) & os.O_ACCMODE == os.O_WRONLY and int(name) > 2:
                found.append(name)
    return found


def _finishes(watch: Night, run: Run) -> None:
    """It trains to its end, where it lives."""
    _recovers(watch, run)
    wait_until(lambda: not run.processes(), 60, "the training has ended")


def _stopped_by_hand(watch: Night, run: Run) -> None:
    command = [sys.executable, "-m", "trainwarden", "stop", run.name]
    subprocess.run(command, env=watch.environment, capture_output=True, check=False, timeout=60)


MEANWHILE = {
    "nothing": _nothing,
    "killed": _killed,
    "recovered": _recovers,
    "finished": _finishes,
    "stopped by hand": _stopped_by_hand,
}
