"""Whether the next generation may be started, and with which command. Every refusal is one sentence.

Who writes to the socket names a checkpoint and a generation, and nothing else. The command is the run's own, as its
recipe resumes it; the checkpoint must be one that stands whole in the run's own folder.
"""

from functools import partial
from pathlib import Path

from trainwarden.checkpoints import recipe_of
from trainwarden.checkpoints.catalog import Catalog, is_eligible, why_not
from trainwarden.deadline import Deadline
from trainwarden.errors import RefusedError
from trainwarden.model import Checkpoint, Resume, RunSpec, RunState
from trainwarden.runs.control import Start
from trainwarden.runs.identity import DEAD_STATES
from trainwarden.supervise import configured, stepping

_VERIFY_SECONDS = 8.0
"""A folder on a dead network drive never answers, and the supervisor must."""


def check(request: Start, state: RunState) -> None:
    """Refuse what must not be started, whatever the checkpoint. Raises ``RefusedError``."""
    refusals = _never(request, state) if request.rehearsal else (*_never(request, state), *_not_yet(state))
    for applies, sentence in refusals:
        if applies:
            raise RefusedError(sentence)
    stepping.check(request.remedy, state.step_down)


def _never(request: Start, state: RunState) -> tuple[tuple[bool, str], ...]:
    """What the death of the generation that is there would not change."""
    current = state.generation
    return (
        (request.generation <= current, f"generation {request.generation} was launched already"),
        (request.generation > current + 1, f"the next generation is {current + 1}, not {request.generation}"),
        (not state.open, "the run is closed: it finished, was stopped for good, or was given up"),
        (not state.resumable, state.resumable_reason),
    )


def _not_yet(state: RunState) -> tuple[tuple[bool, str], ...]:
    current = state.generation
    return (
        (state.wedged, "a process of the run is still there after SIGKILL: nothing may be launched beside it"),
        (state.ended is None, f"generation {current} still lives"),
        (_left(state) > 0, f"{_left(state)} process(es) of generation {current} still live"),
        (state.stopping_since is not None, "a stop is still under way"),
    )


def _left(state: RunState) -> int:
    return sum(member.state not in DEAD_STATES for member in state.members)


def choose(request: Start, spec: RunSpec, now: float) -> Checkpoint:
    """Find the checkpoint in the run's folder and verify it again. Raises ``TrainwardenError``."""
    if spec.checkpoints is None:
        raise RefusedError("the run has no checkpoint folder")
    deadline: Deadline[Checkpoint] = Deadline(f"the checkpoint folder {spec.checkpoints}", _VERIFY_SECONDS)
    return deadline.run(partial(_choose, Path(request.checkpoint), Path(spec.checkpoints), spec, now))


def _choose(wanted: Path, folder: Path, spec: RunSpec, now: float) -> Checkpoint:
    if not wanted.is_absolute() or folder.resolve() not in wanted.resolve().parents:
        raise RefusedError(f"{wanted}: is not in the run's checkpoint folder {folder}")
    # Settled by definition: nobody of the run lives that could still write it.
    listed = Catalog(recipe_of(spec), folder, spec.output_name, 0.0, spec.found_at_launch).list(now)
    found = next((c for c in listed if Path(c.path).resolve() == wanted.resolve()), None)
    if found is None:
        raise RefusedError(f"{wanted}: is not a checkpoint of this run")
    if not is_eligible(found):
        raise RefusedError(f"{wanted}: may not be gone on from: {why_not(found)}")
    return found


def resume_command(spec: RunSpec, checkpoint: Checkpoint) -> tuple[list[str], Resume]:
    """The run's original command, going on from the checkpoint. Raises ``RefusedError``."""
    if why := configured.changed(spec):
        raise RefusedError(why)
    argv = recipe_of(spec).resume_command(spec.command, Path(spec.cwd), checkpoint)
    return argv, Resume(checkpoint.path, checkpoint.epoch, checkpoint.step)
