"""What a user says of an engine that is to launch a run in our keeper's place: the keys below ``launcher:``."""

from msgspec import Struct, field


class TmuxOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``launcher.tmux:``; all of it may be left out."""

    session: str | None = None
    """By default the run's name. In a session that is there already the run gets a window of its own."""
    server: str | None = None
    """Another tmux server than the user's own: a name (``tmux -L``) or a path (``tmux -S``)."""


class CommandOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``launcher.command:``: three commands as argument lists, with ``{name}``, ``{generation}`` and ``{run_id}``."""

    start: list[str]
    """Must lead to `trainwarden exec NAME`, which runs what this launch is to run."""
    probe: list[str]
    """Exit status 0: it lives, or is being stopped; 3: it is gone; others: no answer."""
    stop: list[str]
    """Asks for its end."""
    timeout: float = 30.0
    """Seconds for one of them."""


DOCKER_SOCKET = "/var/run/docker.sock"
"""Where a daemon listens that nobody has told otherwise."""


class DockerOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``launcher.docker:``."""

    container: str
    """Name or id of the container that runs the training, or is to be the pattern of those that do."""
    socket: str | None = None
    """Path of the daemon's socket; by default what ``DOCKER_HOST`` names, else ``/var/run/docker.sock``."""


class SlurmOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``launcher.slurm:``."""

    script: str
    """The job script, absolute or below the working directory; its last line is `exec trainwarden exec NAME`."""
    arguments: list[str] = field(default_factory=list)
    """Further options of sbatch, such as ``--partition=gpu``; they outweigh the script's ``#SBATCH`` lines."""
    interval: float = 10.0
    """Seconds between two looks at the job: a controller has many users."""


class Launching(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``launcher:``: exactly one engine."""

    tmux: TmuxOptions | None = None
    command: CommandOptions | None = None
    docker: DockerOptions | None = None
    slurm: SlurmOptions | None = None

    @property
    def sees_all_nodes(self) -> bool:
        """Whether the engine is a scheduler, which starts and ends a run on all of its machines."""
        return "slurm" in self.chosen()

    @property
    def on_another_machine(self) -> bool:
        """Whether the training may run on another machine, whose GPUs are none of this one's."""
        return bool({"slurm", "command"} & set(self.chosen()))

    def chosen(self) -> list[str]:
        """The names of the engines that are given."""
        return [name for name in self.__struct_fields__ if getattr(self, name) is not None]

    @property
    def elsewhere(self) -> bool:
        """Whether the training's programs are those of a container, a job or a unit, and may not be found from here."""
        return self.tmux is None
