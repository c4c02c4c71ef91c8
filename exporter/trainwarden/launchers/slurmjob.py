"""A job as Slurm tells of it, and the mark by which a job belongs to one launch of a run. Text in, facts out."""

import re

from msgspec import Struct

_ENDED = frozenset(
    {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED"}
    | {"TIMEOUT"}
)
"""The job states (squeue(1)) of what has ended. Any other is alive: a state that we do not know is no sign of death."""
_AGAIN = frozenset({"BOOT_FAIL", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"})
"""Those after which the same job may go on. Slurm itself would requeue finished and cancelled ones as well."""
_BY_HAND = frozenset({"CANCELLED", "REVOKED"})
_CUT_OFF = frozenset({"BOOT_FAIL", "DEADLINE", "NODE_FAIL", "PREEMPTED", "TIMEOUT"})
_FIELDS = ("JobId", "JobState", "Priority", "Restarts", "ExitCode", "EndTime", "Comment", "StdOut")
_SIGKILL = 9


class Mark(Struct, frozen=True):
    """The comment of a job: whose launch it is, and how often the job had been requeued when it became that.

    A job that Slurm requeues by itself (a node failed, it was preempted) has been requeued more often than its mark
    says: that launch has ended, and the job waits for the next one.
    """

    run_id: str
    generation: int
    restarts: int

    def __str__(self) -> str:
        return f"{prefix(self.run_id)}{self.generation}:{self.restarts}"


class Job(Struct, frozen=True):
    """One job of a run."""

    id: int
    state: str
    held: bool
    restarts: int
    mark: Mark
    exit_code: int
    signal: int
    at: float | None
    """When it ended, Unix seconds."""
    output: str

    @property
    def alive(self) -> bool:
        """Whether it runs, or is about to."""
        return self.state not in _ENDED

    @property
    def suspended(self) -> bool:
        """Whether it is held still, and keeps its place."""
        return self.state in ("SUSPENDED", "STOPPED")

    @property
    def by_hand(self) -> bool:
        """Whether somebody cancelled it."""
        return self.state in _BY_HAND

    @property
    def cut_off(self) -> bool:
        """Whether Slurm itself ended it: its time was over, its node failed, another had the right of way."""
        return self.state in _CUT_OFF

    @property
    def may_go_on(self) -> bool:
        """Whether it failed, so that Slurm may be asked to requeue it."""
        return self.state in _AGAIN

    @property
    def is_free(self) -> bool:
        """Whether it waits for a launch: Slurm requeued it and it is no longer the one that its mark names.

        While it completes, processes of that former launch may still live.
        """
        return self.alive and self.restarts > self.mark.restarts and self.state != "COMPLETING"

    @property
    def ended_as(self) -> tuple[int | None, int | None]:
        """Exit code and signal, one at most.

        Of a job that Slurm itself ended (its time was over, its node failed) both are Slurm's doing and say nothing.
        One that took too much memory is shown as signal 125, and was killed with 9.
        """
        if self.state == "OUT_OF_MEMORY":
            return None, _SIGKILL
        if self.state not in ("COMPLETED", "FAILED"):
            return None, None
        return (None, self.signal) if self.signal else (self.exit_code, None)


def prefix(run_id: str) -> str:
    """How the comment of every job of this run begins."""
    return f"trainwarden:{run_id}:"


def read_mark(comment: str) -> Mark | None:
    """The mark in a job's comment; None of a job that is not ours."""
    found = re.fullmatch(r"trainwarden:([^:\s]+):(\d+):(\d+)", comment)
    return Mark(found[1], int(found[2]), int(found[3])) if found else None


def read_job(said: str) -> Job | None:
    """One line of ``scontrol --oneliner show job``, with times as Unix seconds; None of a job that is not ours."""
    fields = {name: _field(said, name) for name in _FIELDS}
    mark = read_mark(fields["Comment"])
    if mark is None:
        return None
    code, _, signal = fields["ExitCode"].partition(":")
    return Job(
        id=int(fields["JobId"]),
        state=fields["JobState"],
        held=fields["Priority"] == "0",
        restarts=int(fields["Restarts"]),
        mark=mark,
        exit_code=int(code),
        signal=int(signal or 0),
        at=float(fields["EndTime"]) if fields["EndTime"].isdecimal() else None,
        output=fields["StdOut"],
    )


def _field(said: str, name: str) -> str:
    found = re.search(rf"(?:^|\s){name}=(\S*)", said)
    return found[1] if found else ""
