"""The demo training of a newcomer's first `up`: started and stopped through the command line, as a user would."""

import shutil
import subprocess
import sys

from trainwarden.config import Config
from trainwarden.runs import identity
from trainwarden.runs.folder import RunFolder, list_runs
from trainwarden.stack import show
from trainwarden.stack.state import StackFolder

NAME = "demo"
COMMAND_SECONDS = 90.0
"""For starting and for stopping; a stop may have to wait for the demo's grace."""

# A step a second and a checkpoint a minute: life on every page soon, and for two hours.
_OPTIONS = [
    "--max_train_epochs=120",
    "--steps_per_epoch=60",
    "--step_seconds=1",
    "--caching_seconds=3",
    "--save_every_n_epochs=1",
    "--save_last_n_epochs=3",
    "--save_state",
]


def wanted(config: Config, choice: bool | None) -> bool:
    """Whether to start it: as the user chose, else where no run is configured and none is alive."""
    if choice is not None:
        return choice
    return not config.runs and not any(_is_alive(RunFolder(name)) for name in list_runs())


def start(folder: StackFolder) -> str:
    """Start it; returns its run id, or an empty text (and says why) where it cannot be started."""
    shutil.rmtree(folder.demo, ignore_errors=True)  # an earlier demo's checkpoints: the stack's own, nobody's work
    folder.demo.mkdir(mode=0o700)
    show.say("Starting the demo training, since no run is configured here")
    training = [sys.executable, "-m", "trainwarden.demo", f"--output_dir={folder.demo}", *_OPTIONS]
    why_not = _trainwarden("run", NAME, "--detach", "--cwd", str(folder.demo), "--", *training)
    spec = RunFolder(NAME).read_spec()
    if why_not or spec is None:
        show.say(f"The demo training was not started. {why_not}")
        return ""
    return spec.run_id


def stop(run_id: str) -> None:
    """Stop it, if the run of that name is still the one that ``start`` started."""
    folder = RunFolder(NAME)
    spec = folder.read_spec()
    if spec is not None and spec.run_id == run_id and _is_alive(folder):
        show.say("Stopping the demo training")
        if why_not := _trainwarden("stop", NAME):
            show.say(f"The demo training is not over yet. {why_not}")


def _is_alive(folder: RunFolder) -> bool:
    state = folder.read_state()
    processes = (state.keeper, state.supervisor, state.training) if state else ()
    return any(identity.lives(process) for process in processes if process)


def _trainwarden(*arguments: str) -> str:
    """Run our own command line; returns what it complained of, if it failed."""
    command = [sys.executable, "-m", "trainwarden", *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"`trainwarden {arguments[0]} {NAME}` did not answer within {COMMAND_SECONDS:.0f} s."
    return "" if done.returncode == 0 else done.stderr.strip()
