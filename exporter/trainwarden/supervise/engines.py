"""Which engine launches a run, by what its user said."""

from trainwarden.errors import ConfigurationError
from trainwarden.launchers.command import CommandEngine
from trainwarden.launchers.docker import DockerEngine
from trainwarden.launchers.engine import Engine
from trainwarden.launchers.slurm import SlurmEngine
from trainwarden.launchers.tmux import TmuxEngine
from trainwarden.launching import Launching, TmuxOptions

BARE = {"tmux": Launching(tmux=TmuxOptions())}
"""Those that need no further word, by the name that ``--launcher`` takes."""


def engine_of(launcher: Launching) -> Engine:
    """The engine. Raises ``ConfigurationError`` where none is named."""
    if launcher.tmux is not None:
        return TmuxEngine(launcher.tmux)
    if launcher.command is not None:
        return CommandEngine(launcher.command)
    if launcher.docker is not None:
        return DockerEngine(launcher.docker)
    if launcher.slurm is not None:
        return SlurmEngine(launcher.slurm)
    raise ConfigurationError("launcher: names no engine")
