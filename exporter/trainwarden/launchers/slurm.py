"""Slurm: the training runs in a job, whose script calls `trainwarden exec NAME`; the next launch requeues that job.

A job script cannot be given another command, so the wrapper takes the run's order, once; a job that Slurm starts on
its own account finds none and ends. Commands are argument lists with a deadline; no shell reads them.
"""

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from msgspec.structs import replace

from trainwarden.errors import RefusedError, TrainwardenError
from trainwarden.launchers.engine import Order, Status
from trainwarden.launchers.slurmjob import Job, Mark, prefix, read_job, read_mark
from trainwarden.launching import SlurmOptions

_SECONDS = 20.0
"""For one answer. Where no controller is, Slurm's commands try for 9 to 18 s (measured) before they say so."""
_OURS_SHORT = ("-a", "-D", "-e", "-M", "-o", "-W")
_OURS = (
    *("--array", "--chdir", "--clusters", "--comment", "--error", "--no-requeue", "--open-mode", "--output"),
    *("--parsable", "--requeue", "--test-only", "--wait", "--wrap"),
)
"""Options of sbatch that would lose the job: another cluster numbers its own jobs, and ours is not among them."""
_DIRECTIVE = re.compile(r"^#SBATCH\s+(--array|-a|--clusters|-M|--error|-e)\b")
_NOT_OURS = frozenset({"SBATCH_ARRAY_INX", "SBATCH_CLUSTERS", "SBATCH_ERROR"})
"""Variables of sbatch that say the same as options that we refuse."""
_NO_SUCH_JOB = "Invalid job id specified"


class SlurmEngine:
    """Implements ``launchers.engine.Engine``. A handle is the job's id and the mark of the launch."""

    name = "slurm"
    visible = False

    def __init__(self, options: SlurmOptions) -> None:
        self._options = options
        self.interval = options.interval

    def check(self, order: Order) -> None:
        """Script and arguments must be such that we can follow the job, Slurm must answer, and no job of it live."""
        _check_arguments(self._options.arguments)
        _check_script(self._script(order))
        if "%" in order.output or re.search(r"\s", order.output):
            raise RefusedError(f"{order.output}: Slurm cannot write to a path with % or blanks; set XDG_STATE_HOME")
        for program in ("sbatch", "squeue", "scontrol", "scancel"):
            if shutil.which(program) is None:
                raise RefusedError(f"there is no {program} on the PATH; start the run where Slurm's commands are")
        _ask("scontrol", "ping")

    def start(self, order: Order) -> str:
        """Give the order to the run's failed or requeued job, where Slurm still knows one; else submit another.

        A requeued job keeps its id and with it its accounting and what depends on it. It is held until it is marked as
        this launch, so that whoever comes back after a crash finds either no launch, or this one.
        """
        self.check(order)
        jobs = self._jobs(order.run_id)
        _check_jobs(order, jobs)
        waiting = next((job for job in jobs if _waits_for(job, order)), None)
        if waiting is None and jobs and jobs[-1].may_go_on:
            waiting = self._requeue(jobs[-1])
        return self._submit(order) if waiting is None else self._hand_over(waiting, order)

    def find(self, order: Order) -> str | None:
        """By the mark in the job's comment."""
        jobs = self._jobs(order.run_id)
        found = next((job for job in jobs if _is_launch_of(job, order) and not _waits_for(job, order)), None)
        return _handle(found.id, found.mark) if found else None

    def probe(self, handle: str) -> Status:
        """By ``scontrol show job``; a job that Slurm has forgotten (MinJobAge after its end: 300 s) ended somehow."""
        number, mark = _read_handle(handle)
        job = self._job(number)
        if job is None or job.mark != mark:
            return Status(alive=False)
        if job.is_free or (job.restarts > mark.restarts and not job.alive):
            return Status(alive=False, cut_off=True)  # Slurm requeued it: it waits, or found no order and ended
        if job.alive:
            return Status(alive=True, suspended=job.suspended)
        exit_code, signal = job.ended_as
        said = Status(alive=False, exit_code=exit_code, signal=signal, at=job.at)
        return replace(said, by_hand=job.by_hand, cut_off=job.cut_off)

    def carry(self, handle: str, output: Path) -> None:
        """Nothing: the job writes its output there by itself."""

    def cgroup_names(self, handle: str) -> tuple[str, ...]:  # noqa: ARG002
        """None: beside the training, Slurm's own slurmstepd is in a job's. Its ``scancel`` reaches all of the job."""
        return ()

    def stop(self, handle: str, *, kill: bool) -> None:
        """SIGTERM for all of the job; with ``kill``, or while it waits for its turn, cancel it."""
        number, mark = _read_handle(handle)
        job = self._job(number)
        if job is None or job.mark != mark or not job.alive or job.is_free:
            return
        politely = not kill and job.state not in ("PENDING", "CONFIGURING")
        _ask("scancel", *(("--signal=TERM", "--full") if politely else ()), str(number))

    # --- jobs -------------------------------------------------------------------------------------------------
    def _jobs(self, run_id: str) -> list[Job]:
        """Every job of the run that Slurm still knows, oldest first."""
        # A job in a partition that its administrator hides lives like any other.
        listed = _ask(
            "squeue", "--all", "--noheader", "--states=all", f"--user={os.getuid()}", "--format=%i %k"
        ).splitlines()
        pairs = [line.partition(" ") for line in listed]
        numbers = [int(number) for number, _, comment in pairs if comment.startswith(prefix(run_id))]
        return [job for number in sorted(numbers) if (job := self._job(number)) is not None]

    def _job(self, number: int) -> Job | None:
        try:
            job = read_job(_ask("scontrol", "--oneliner", "show", "job", str(number)))
        except _SlurmError as error:
            if _NO_SUCH_JOB in str(error):
                return None
            raise
        if job is None:  # it may well run: taken for gone, another would be launched beside it
            raise TrainwardenError(f"job {number} does not bear trainwarden's comment any more; put it back")
        return job

    def _submit(self, order: Order) -> str:
        mark = Mark(order.run_id, order.generation, 0)
        ours = ["--parsable", "--requeue", f"--comment={mark}", f"--chdir={order.cwd}"]
        writes = ["--open-mode=append", f"--output={order.output}"]
        try:
            said = _ask("sbatch", *self._options.arguments, *ours, *writes, str(self._script(order)))
        except _SlurmError as error:
            if (found := self.find(order)) is not None:  # the answer was lost, the job was not
                return found
            raise RefusedError(str(error)) from error
        return _handle(int(said.strip().partition(";")[0]), mark)

    def _requeue(self, job: Job) -> Job | None:
        """Have it wait, held, for its next launch; None where Slurm will not, by whatever policy."""
        with contextlib.suppress(_SlurmError):
            _ask("scontrol", "requeuehold", str(job.id))
        now = self._job(job.id)
        return now if now is not None and now.is_free else None

    def _hand_over(self, job: Job, order: Order) -> str:
        """Mark it as this launch and let it go. Only a job that still waits can be given another output."""
        mark = Mark(order.run_id, order.generation, job.restarts)
        output = [f"StdOut={order.output}"] if job.state == "PENDING" else []
        if job.mark != mark:
            _ask("scontrol", "update", f"JobId={job.id}", f"Comment={mark}", *output)
        if job.held:
            _ask("scontrol", "release", str(job.id))
        return _handle(job.id, mark)

    def _script(self, order: Order) -> Path:
        return Path(order.cwd) / Path(self._options.script).expanduser()


class _SlurmError(TrainwardenError):
    """Slurm does not answer, or says no; its words."""


def _is_launch_of(job: Job, order: Order) -> bool:
    return (job.mark.run_id, job.mark.generation) == (order.run_id, order.generation)


def _waits_for(job: Job, order: Order) -> bool:
    """Whether it can become this launch: it has none, or was marked as it and not let go yet."""
    return job.is_free or (_is_launch_of(job, order) and job.alive and job.held)


def _check_jobs(order: Order, jobs: list[Job]) -> None:
    """Refuse a launch beside a living one, and the same launch twice."""
    for job in jobs:
        if _waits_for(job, order):
            continue
        if job.alive:
            raise RefusedError(f"job {job.id} of run '{order.name}' is still {job.state}; stop it first")
        if _is_launch_of(job, order) and job.restarts == job.mark.restarts:
            raise RefusedError(f"launch {order.generation} of run '{order.name}' has been job {job.id} already")


def _check_arguments(arguments: list[str]) -> None:
    for argument in arguments:
        name = argument.partition("=")[0]
        shortened = len(name) > len("--x") and any(ours.startswith(name) for ours in _OURS)  # as getopt takes it
        if shortened or name[:2] in _OURS_SHORT:
            raise RefusedError(f"launcher.slurm.arguments: {name} is trainwarden's to say; leave it out")
        if not argument.startswith("-") and argument == arguments[0]:
            raise RefusedError(f"launcher.slurm.arguments: '{argument}' is no option of sbatch; write --NAME=VALUE")


def _check_script(script: Path) -> None:
    try:
        text = script.read_text(errors="replace")
    except OSError as error:
        raise RefusedError(f"launcher.slurm.script: {script} cannot be read ({error.strerror})") from None
    for number, line in enumerate(text.splitlines(), 1):
        if found := _DIRECTIVE.match(line):
            raise RefusedError(f"{script}:{number}: with {found[1]} the job cannot be followed; take the line out")


def _handle(number: int, mark: Mark) -> str:
    return f"{number} {mark}"


def _read_handle(handle: str) -> tuple[int, Mark]:
    number, _, comment = handle.partition(" ")
    mark = read_mark(comment)
    if mark is None or not number.isdecimal():
        raise TrainwardenError(f"'{handle}' names no job of Slurm")
    return int(number), mark


def _ask(*argv: str) -> str:
    """What a command of Slurm says. Raises ``_SlurmError`` with its words where it says no, or nothing in time."""
    environment = {key: value for key, value in os.environ.items() if key not in _NOT_OURS}
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**environment, "SLURM_TIME_FORMAT": "%s"},
        )
    except subprocess.TimeoutExpired:
        raise _SlurmError(f"{argv[0]} has not answered within {_SECONDS:g} s") from None
    except OSError as error:
        raise _SlurmError(f"{argv[0]} cannot be run here ({error.strerror})") from None
    if done.returncode != 0:
        words = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise _SlurmError(f"{argv[0]}: {words}")
    return done.stdout
