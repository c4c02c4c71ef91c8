"""What several structures are made of: durations, phases, outcomes, kinds of error, and a process for ever."""

from enum import Enum
from typing import Annotated

from msgspec import Meta, MsgspecError, Struct

Seconds = Annotated[float, Meta(ge=0, extra={"unit": "seconds"})]
"""A duration. In ``trainwarden.yml`` also written as Prometheus does: ``90s``, ``30m``, ``1h30m``."""

Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number as every program can read it. One of 400 digits is a mistake that no metric could tell."""

UNDECODABLE = (MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not the structure that they should be: wrong, no UTF-8, nested too deep."""


class Phase(str, Enum):
    """What a run is doing. A long silence means something different in each."""

    STARTING = "starting"
    CACHING = "caching"
    TRAINING = "training"
    EVALUATING = "evaluating"
    CHECKPOINTING = "checkpointing"
    STOPPED = "stopped"
    FAILED = "failed"
    FINISHED = "finished"

    @property
    def live(self) -> bool:
        """Whether a process of the run should exist in this phase."""
        return self not in (Phase.STOPPED, Phase.FAILED, Phase.FINISHED)


class Outcome(str, Enum):
    """How a generation ended."""

    FINISHED = "finished"
    """Exit status 0."""
    CRASHED = "crashed"
    """A non-zero exit, a signal nobody asked for, or a keeper that died with its training."""
    STOPPED_BY_USER = "stopped_by_user"
    """Ctrl-C, `trainwarden stop`, or SIGINT/SIGTERM from outside: never restarted."""
    STOPPED_FOR_RESTART = "stopped_for_restart"
    """The receiver had it stopped and means to launch the next generation."""


class ErrorKind(str, Enum):
    """What the output said went wrong (a closed list: it becomes a label)."""

    CUDA_OUT_OF_MEMORY = "cuda_out_of_memory"
    HOST_OUT_OF_MEMORY = "host_out_of_memory"
    CUDA_UNKNOWN = "cuda_unknown_error"
    """What the guide saw after more than 6 h with gradient checkpointing under WSL2 (guide §3)."""
    CUDA_LIBRARY = "cuda_library"
    """cuDNN, cuBLAS and their relatives."""
    CUDA_ERROR = "cuda_error"
    NCCL = "nccl"
    KILLED = "killed"
    BUS_ERROR = "bus_error"
    DATA_LOADER = "data_loader"
    """A worker of the data loader died."""
    DISK_FULL = "disk_full"
    NAN_LOSS = "nan_loss"
    ASSERTION = "assertion"
    EXCEPTION = "exception"


class Identity(Struct, frozen=True):
    """One process for ever: a pid alone is reused."""

    boot_id: str
    pid: Whole
    start_time: Whole
    """Field 22 of /proc/PID/stat, clock ticks after boot."""
    pid_namespace: Whole
    """Inode of the PID namespace in which ``pid`` was read."""
