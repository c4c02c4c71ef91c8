"""Launch a planned run: its folder, what the GPUs hold before it, and its keeper, detached."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

from msgspec import structs

from trainwarden.checkpoints import catalog, recipe_of
from trainwarden.collectors import gpu_snapshot
from trainwarden.errors import ConfigurationError, RunFolderError, TrainwardenError
from trainwarden.model import RunSpec, RunState
from trainwarden.runs import control
from trainwarden.runs.attendance import KEEPER_LOCK, SUPERVISOR_LOCK, is_held
from trainwarden.runs.folder import RunFolder
from trainwarden.runs.members import Census, living
from trainwarden.supervise import configured, detach, orders
from trainwarden.supervise.plan import Plan, live

_GPU_SECONDS = 3.0
"""For the driver's answer; a baseline that is not known is left out."""
_LAUNCH_SECONDS = 30.0
_STAYS = {"archive", KEEPER_LOCK, SUPERVISOR_LOCK}
"""Not a former run's: what all uses of the name share."""


def launch(planned: Plan) -> RunFolder:
    """Start the run and return when it lives (or has ended already). Raises ``TrainwardenError``.

    A former run of the same name is moved aside within the folder, into a new folder ``archive/<its run id>/``.
    """
    folder = RunFolder(planned.spec.name)
    with _interrupt_put_off(folder):
        try:
            folder.create()
            with detach.lock(folder.path / KEEPER_LOCK) as held:
                spec = _begin(folder, planned.spec, held)
        except BlockingIOError:
            raise live(folder) from None
        except OSError as error:
            raise RunFolderError(f"{error.filename or folder.path}: {error.strerror}; nothing was launched") from error
        holder = KEEPER_LOCK if spec.launcher is None else SUPERVISOR_LOCK
        detach.until(folder, lambda: _first_state(folder, spec), _LAUNCH_SECONDS, holder)
    return folder


def _begin(folder: RunFolder, planned: RunSpec, held: int) -> RunSpec:
    """Make the folder this run's, and start its keeper, which inherits the lock."""
    refuse_if_survived(folder)
    archive(folder)
    found = found_at_launch(planned)
    spec = structs.replace(
        planned,
        gpu_baseline_bytes=_gpu_baseline(),
        found_at_launch=found,
        files_at_launch=configured.fingerprints(planned),
    )
    folder.write_spec(spec)
    if spec.launcher is not None:
        with detach.lock(folder.path / SUPERVISOR_LOCK) as watch:
            detach.start_steward(folder, watch, os.environ)
        return spec
    detach.start_keeper(folder, orders.launch(1, spec.command, _terminal_size()), held, os.environ)
    return spec


def attend(folder: RunFolder) -> None:
    """Supervise again a run that an engine launched, and whose supervisor is gone. Raises ``TrainwardenError``."""
    if folder.require_spec().launcher is None:
        raise RunFolderError(
            f"run '{folder.name}' has no launcher of another kind: its keeper starts a new supervisor by itself"
        )
    try:
        with detach.lock(folder.path / SUPERVISOR_LOCK) as held:
            detach.start_steward(folder, held, os.environ)
    except BlockingIOError:
        raise RunFolderError(f"run '{folder.name}': is supervised already") from None


@contextmanager
def _interrupt_put_off(folder: RunFolder) -> Iterator[None]:
    """A Ctrl-C while the run comes up must not leave it running unseen: it is stopped as soon as it can be."""
    interrupts: list[int] = []
    try:
        before = signal.signal(signal.SIGINT, lambda signum, _: interrupts.append(signum))
    except ValueError:  # not the main thread, which alone is interrupted
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts:
        with suppress(TrainwardenError):  # it may be over already
            control.ask(folder, control.Stop(by="user", final=True, reason="Ctrl-C"))
        raise KeyboardInterrupt


def refuse_if_survived(folder: RunFolder) -> None:
    """Raise ``ConfigurationError`` where a supervisor, or a process, of a former run of this name still lives."""
    if is_held(folder.path / SUPERVISOR_LOCK):
        raise live(folder)
    former = _read_former(folder)
    left = living(Census(former.run_id).scan()) if former else []
    if left:
        pids = ", ".join(str(process.pid) for process in left)
        raise ConfigurationError(
            f"run '{folder.name}': processes of the former run of this name still live (pid {pids}); end them first"
        )


def _read_former(folder: RunFolder) -> RunSpec | None:
    try:
        return folder.read_spec()
    except RunFolderError:  # damaged: it is moved aside with the rest
        return None


def archive(folder: RunFolder) -> None:
    """Move a former run's files aside; nothing is deleted, and nothing that was moved before is written over.

    ``run.json`` goes last: it names where the others go.
    """
    former = _read_former(folder)
    if former is None and not folder.spec_path.exists():
        return
    target = _new_folder(folder.path / "archive", former.run_id if former else "damaged")
    for path in sorted(folder.path.iterdir(), key=lambda path: path == folder.spec_path):
        if path.name not in _STAYS:
            path.replace(target / path.name)
    folder.create()


def _new_folder(parent: Path, name: str) -> Path:
    """Make ``parent/name``; where there is one already (a move that was cut short), ``parent/name.2`` and so on."""
    parent.mkdir(mode=0o700, exist_ok=True)
    names = chain([name], (f"{name}.{number}" for number in count(2)))
    for path in map(parent.joinpath, names):
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
            return path
    raise AssertionError("numbers do not end")


def found_at_launch(spec: RunSpec) -> dict[str, str]:
    """What earlier runs left in the checkpoint folder. Raises ``CheckpointError`` where it cannot be listed.

    Without what the command itself resumes from, which is where this run begins.
    """
    if spec.checkpoints is None or not Path(spec.checkpoints).exists():
        return {}
    recipe = recipe_of(spec)
    found = catalog.found_in(recipe, Path(spec.checkpoints), spec.output_name)
    resumed = recipe.resumed_from(spec.command)
    begin = (spec.cwd / Path(resumed.checkpoint)).resolve() if resumed else None
    return {path: signature for path, signature in found.items() if Path(path).resolve() != begin}


def _gpu_baseline() -> dict[str, int]:
    found = gpu_snapshot.snapshot(_GPU_SECONDS) or []
    return {gpu.uuid: gpu.memory_used_bytes for gpu in found if gpu.memory_used_bytes is not None}


def _terminal_size() -> tuple[int, int] | None:
    """The viewer's, so that bars and log lines wrap where they should."""
    try:
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return None
    return (columns, lines) if columns and lines else None


def _first_state(folder: RunFolder, spec: RunSpec) -> RunState | None:
    state = folder.read_state()
    return state if state is not None and state.run_id == spec.run_id else None
