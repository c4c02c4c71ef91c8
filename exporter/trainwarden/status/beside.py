"""What a run's folder holds beside its readings: what was done for the run, whether it is paused, its last output."""

from functools import partial
from pathlib import Path

from msgspec import Struct

from trainwarden.collectors import runs
from trainwarden.deadline import Rounds
from trainwarden.restart.history import History, replay
from trainwarden.restart.ledger import Ledger, LedgerError
from trainwarden.runs.folder import RunFolder
from trainwarden.runs.lines import last_line
from trainwarden.runs.tail import last_bytes

EACH_SECONDS = 0.15
WHOLE_SECONDS = 0.3
"""For one run's folder, and for all of them together, as for their readings."""
TAIL_BYTES = 16 * 1024


class Beside(Struct, frozen=True, kw_only=True):
    """Of one run."""

    history: History | None = None
    """None where the ledger cannot be read: the receiver then leaves the run alone, and calls a human."""
    paused: bool = False
    last_line: str = ""
    fault: str = ""
    """What could not be read."""


class Besides:
    """Of every run. A folder that hangs takes only its own run's away."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._rounds: Rounds[str, Beside] = Rounds(EACH_SECONDS, WHOLE_SECONDS)

    def read(self, every: tuple[runs.Run, ...]) -> dict[str, Beside]:
        """By the runs' names."""
        said = self._rounds.read({run.name: partial(_read, RunFolder(run.name, self._root), run) for run in every})
        return {name: _or_fault(name, answer) for name, answer in said.items()}


def _or_fault(name: str, answer: Beside | Exception) -> Beside:
    return Beside(fault=f"run {name}: {answer}") if isinstance(answer, Exception) else answer


def _read(folder: RunFolder, run: runs.Run) -> Beside:
    history, fault = None, ""
    try:
        history = replay(Ledger(folder.ledger_path).read(), run.spec.run_id)
    except LedgerError as error:
        fault = str(error)
    return Beside(
        history=history,
        paused=folder.pause_path.exists(),
        last_line=last_line(_tail(folder.output_path(run.generation))),
        fault=fault,
    )


def _tail(path: Path) -> bytes:
    """Empty where the run has printed nothing yet, or its log was taken away."""
    try:
        return last_bytes(path, TAIL_BYTES)
    except OSError:
        return b""
