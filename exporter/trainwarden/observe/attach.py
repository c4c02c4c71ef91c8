"""Begin to watch what already runs, go on after an observer died, and end the watch. The training is never touched."""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct, structs

from trainwarden.checkpoints import recipe_of
from trainwarden.config import Config, RunConfig
from trainwarden.errors import ConfigurationError, RunFolderError
from trainwarden.model import RunSpec, RunState
from trainwarden.observe import output, record, tmux
from trainwarden.observe.record import OUTPUT_LOCK, Observed, Pane
from trainwarden.observe.training import Training, find
from trainwarden.runs import control
from trainwarden.runs.attendance import KEEPER_LOCK, SUPERVISOR_LOCK, is_attended, is_held
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import launch, plan
from trainwarden.supervise.detach import lock, start

_START_SECONDS = 15.0
"""How long an observer may take to its first beat."""
_PIPE_SECONDS = 10.0
"""How long `trainwarden follow` may take to begin, once tmux has been asked for it."""


class What(Struct, frozen=True, kw_only=True):
    """What the command line says."""

    pid: int | None = None
    session: str | None = None
    """``SESSION[:WINDOW[.PANE]]`` of tmux, or ``%ID``."""
    server: str | None = None
    """Another tmux server than the user's own: a name or a path."""
    log: str | None = None
    options: plan.Options = plan.Options()


class Attached(Struct, frozen=True):
    """What is watched from now on."""

    folder: RunFolder
    training: Training
    resumed: bool
    """Whether this goes on with a watch whose observer had died."""
    warnings: list[str]


def attach(name: str, what: What, config: Config) -> Attached:
    """Watch the training as the run NAME, and return when its observer is at work.

    Raises ``ConfigurationError`` for what cannot be watched, ``RunFolderError`` where no observer comes up.
    """
    folder = RunFolder(name)
    _refuse_if_watched(folder)
    pid, pane = _target(what)
    training = find(pid)
    spec = structs.replace(_spec(name, what, training, config), attached=True)
    folder.create()
    try:
        with lock(folder.path / KEEPER_LOCK):
            launch.refuse_if_survived(folder)
            with lock(folder.path / SUPERVISOR_LOCK) as held:
                former = _same_watch(folder, training)
                begun = former or spec
                _write(folder, begun, training, what, pane, anew=former is None)
                since = time.time()
                start(folder, "trainwarden.observe.observer", held)
            _until_watched(folder, begun, since)
    except BlockingIOError:
        raise plan.live(folder) from None
    except OSError as error:
        raise RunFolderError(f"{error.filename or folder.path}: {error.strerror}; nothing is watched") from error
    return Attached(folder, training, former is not None, _unfollowed(folder, what, pane))


def detach(folder: RunFolder) -> None:
    """End the watch; the training goes on. Raises ``RunFolderError`` where there is none to end."""
    spec = folder.require_spec()
    if not spec.attached:
        raise RunFolderError(
            f"run '{folder.name}' was started by trainwarden, so there is nothing to detach; "
            f"`trainwarden stop {folder.name}` ends it"
        )
    if not is_attended(folder):
        raise RunFolderError(f"run '{folder.name}' is not watched: there is nothing to detach")
    control.ask(folder, control.Detach())


def _refuse_if_watched(folder: RunFolder) -> None:
    spec = folder.read_spec() if is_attended(folder) else None
    if spec is not None and spec.attached:
        raise ConfigurationError(
            f"run '{folder.name}' is watched already; `trainwarden detach {folder.name}` ends that; "
            "or take another name"
        )
    plan.refuse_if_live(folder)


def _target(what: What) -> tuple[int, Pane | None]:
    if what.log is not None:
        check_log(Path(what.log).expanduser())
    if (what.pid is None) == (what.session is None):
        raise ConfigurationError("say what to watch by one of --pid N and --tmux SESSION")
    if what.session is None:
        return what.pid or 0, None
    found, pid = tmux.find(what.session, what.server)
    return pid, found.pane


def check_log(log: Path) -> None:
    """A log may still come; what can never be tailed is told now. Raises ``ConfigurationError``."""
    try:
        mode = log.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigurationError(f"log {log}: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise ConfigurationError(
            f"log {log}: is not a plain file, so reading it would take from whoever reads it; "
            f"pipe it instead: trainwarden follow NAME < {log}"
        )
    if not os.access(log, os.R_OK):
        raise ConfigurationError(f"log {log}: cannot be read by this user")


def _spec(name: str, what: What, training: Training, config: Config) -> RunSpec:
    options = what.options
    if options.checkpoints is not None:  # of this terminal, and not of the training's working directory
        options = structs.replace(options, checkpoints=str(Path(options.checkpoints).expanduser().absolute()))
    entry = config.runs.get(name, RunConfig())
    return plan.describe(name, training.command, training.cwd, entry, options)


def _same_watch(folder: RunFolder, training: Training) -> RunSpec | None:
    """The run as it stands, where its observer died while watching this very training."""
    try:
        spec, state = folder.read_spec(), folder.read_state()
    except RunFolderError:
        return None
    if spec is None or state is None or not spec.attached or state.run_id != spec.run_id or state.ended is not None:
        return None
    root = training.root
    known = state.training is not None and state.training.boot_id == root.boot_id
    members = {(member.pid, member.start_time) for member in state.members}
    return spec if known and (root.pid, root.start_time) in members else None


def _write(folder: RunFolder, spec: RunSpec, training: Training, what: What, pane: Pane | None, *, anew: bool) -> None:
    """Make the folder this watch's. A former run of the name is moved aside, and a former watch gone on with."""
    former = None if anew else record.read(folder)
    if anew:
        launch.archive(folder)
        folder.write_spec(spec)
    log, text = former.log if former is not None else None, b""
    path = str(Path(what.log).expanduser().absolute()) if what.log is not None else None
    if path is not None and (log is None or log.path != path):
        text, log = output.backlog(Path(path))
    elif pane is not None and anew:
        text = tmux.text(pane)
    if text:
        output.prime(folder, text, recipe_of(spec).resumed_from(spec.command), time.time())
    known = pane or (former.pane if former is not None else None)
    record.write(folder, Observed(training=training.root, log=log, pane=known if log is None else None))


def _until_watched(folder: RunFolder, spec: RunSpec, since: float) -> RunState:
    """Wait for the first beat of the new observer, ``since`` its start."""
    for _ in _turns(_START_SECONDS):
        gone = not is_held(folder.path / SUPERVISOR_LOCK)  # asked first: what it did just before its end counts
        state = folder.read_state()
        if state is not None and state.run_id == spec.run_id and state.beat_at >= since:
            return state
        if gone:
            break
    said = (folder.path / "observer.log").read_text(errors="replace").strip().splitlines()
    raise RunFolderError(
        f"run '{folder.name}': its observer did not come up: {said[-1] if said else 'it said nothing'}"
    )


def _turns(seconds: float) -> Iterator[None]:
    """Turns of a loop that polls for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.05)


def _unfollowed(folder: RunFolder, what: What, pane: Pane | None) -> list[str]:
    """What the user should know of the output: nobody reads it, say."""
    if what.log is not None:
        path = Path(what.log).expanduser()
        return [] if path.exists() else [f"log {path}: is not there yet; it is read from its beginning once it comes"]
    if pane is None:
        return [
            "the output is not followed, so that steps, phase and errors stay unknown; "
            "attach with --log FILE or --tmux SESSION, or pipe it into `trainwarden follow`"
        ]
    if any(is_held(folder.path / OUTPUT_LOCK) for _ in _turns(_PIPE_SECONDS)):
        return []
    return [
        f"the pane's output is not followed: it has a pipe already, which is left alone, or tmux opened none (see "
        f"{folder.path / 'follow.log'}); if it is written to a file, attach with --log FILE"
    ]
