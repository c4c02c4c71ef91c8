"""Whether a run lives, who attends to it, since when it is over, and the one phase that it is in."""

from trainwarden.model import Ended, Outcome, Phase, Progress, RunSpec, RunState
from trainwarden.runs import identity
from trainwarden.runs.attendance import is_attended
from trainwarden.runs.folder import RunFolder

_PHASE_OF = {
    Outcome.FINISHED: Phase.FINISHED,
    Outcome.CRASHED: Phase.FAILED,
    Outcome.STOPPED_BY_USER: Phase.STOPPED,
    Outcome.STOPPED_FOR_RESTART: Phase.STOPPED,
}
_BEAT_LOST_SECONDS = 30.0
"""An older beat is one that stopped, where nobody is there either; a supervisor beats every second."""


def is_unattended(folder: RunFolder, spec: RunSpec, state: RunState | None, now: float, boot_id: str) -> bool:
    """Whether nobody is left to say what becomes of the run: the machine went down, or keeper and supervisor died.

    The beat alone would not do: its clock may jump, and a full disk or a suspended machine keeps it back.
    """
    if state is not None and state.training is not None and state.training.boot_id != boot_id:
        return True
    last = spec.created_at if state is None else state.beat_at
    return now - last > _BEAT_LOST_SECONDS and not is_attended(folder)


def is_unseen(folder: RunFolder, spec: RunSpec, state: RunState | None, now: float, boot_id: str) -> bool:
    """Whether an attached training goes on though its observer died: all that is known of it is that it lives.

    From another PID namespace not even that can be told, and it is not called dead for it.
    """
    if not spec.attached or state is None or state.ended is not None or state.training is None:
        return False
    return is_unattended(folder, spec, state, now, boot_id) and identity.lives(state.training) is not False


def over_since(spec: RunSpec, state: RunState | None, unattended: bool) -> float | None:
    """Since when nothing more can come of the run; None while something can."""
    if state is not None and state.ended is not None and not state.open:
        return state.ended.at
    if unattended:
        return spec.created_at if state is None else state.beat_at
    return None


def seen(spec: RunSpec, progress: Progress | None) -> Progress | None:
    """What is known of the steps. An attached run was not seen to start: nobody has read a word of its output yet."""
    return None if spec.attached and progress is not None and progress.phase is Phase.STARTING else progress


def phase(
    spec: RunSpec, state: RunState | None, progress: Progress | None, lost: bool
) -> tuple[Phase | None, float | None]:
    """The one phase that the run is in, and since when. None for an attached run of whose steps nothing is known."""
    if state is None:
        return Phase.STARTING, spec.created_at
    if state.ended is not None:
        return Phase.FAILED if _given_up(state, state.ended) else _PHASE_OF[state.ended.outcome], state.ended.at
    if lost:
        return Phase.FAILED, state.beat_at
    if progress is not None:
        return progress.phase, progress.phase_since
    if spec.attached:
        return None, None
    return Phase.STARTING, state.started_at


def _given_up(state: RunState, ended: Ended) -> bool:
    """Whether the run was stopped for a restart that never came, and not by the user's wish: people must hear of it."""
    return ended.outcome is Outcome.STOPPED_FOR_RESTART and not state.open and state.stop_by != "user"
