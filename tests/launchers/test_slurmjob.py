"""What Slurm says of a job, as it said it (22.05), and what we make of it."""

import pytest

from trainwarden.launchers.slurmjob import Job, Mark, read_job, read_mark

SAID = (
    "JobId=7 JobName=job.sh UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901759 Nice=0 Account=(null) "
    "QOS=(null) JobState=FAILED Reason=NonZeroExitCode Dependency=(null) Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 "
    "ExitCode=3:0 RunTime=00:00:01 TimeLimit=UNLIMITED TimeMin=N/A SubmitTime=1795528175 EligibleTime=1795528175 "
    "StartTime=1795528176 EndTime=1795528177 Deadline=N/A Command=job.sh WorkDir=/tmp Comment=trainwarden:r1:2:0  "
    "StdErr=/tmp/out.1 StdIn=/dev/null StdOut=/tmp/out.1 Power= \n"
)


def job(**told: str) -> Job:
    said = SAID
    for name, value in told.items():
        before = next(word for word in SAID.split() if word.startswith(f"{name}="))
        said = said.replace(f" {before} ", f" {name}={value} ")
    found = read_job(said)
    assert found
    return found


def test_a_job_is_read() -> None:
    assert job() == Job(
        id=7,
        state="FAILED",
        held=False,
        restarts=0,
        mark=Mark("r1", 2, 0),
        exit_code=3,
        signal=0,
        at=1795528177.0,
        output="/tmp/out.1",
    )
    assert job(EndTime="Unknown").at is None
    assert job(Priority="0").held


@pytest.mark.parametrize(
    "comment", ["(null)", "", "mine", "trainwarden:r1:2", "trainwarden:r1:2:0:9", "trainwarden:r1:x:0"]
)
def test_a_job_of_another_is_none_of_ours(comment: str) -> None:
    assert read_mark(comment) is None


def test_a_mark_reads_as_it_is_written() -> None:
    assert read_mark(str(Mark("r1", 12, 3))) == Mark("r1", 12, 3)


@pytest.mark.parametrize(
    "state",
    [
        "PENDING",
        "CONFIGURING",
        "RUNNING",
        "COMPLETING",
        "REQUEUED",
        "REQUEUE_HOLD",
        "SUSPENDED",
        "STOPPED",
        "A_NEW_ONE",
    ],
)
def test_whatever_is_no_end_lives(state: str) -> None:
    assert job(JobState=state).alive
    assert not job(JobState=state).may_go_on
    assert job(JobState=state).suspended is (state in ("SUSPENDED", "STOPPED"))


@pytest.mark.parametrize(
    ("state", "exit_code", "ended_as", "by_hand", "may_go_on"),
    [
        ("COMPLETED", "0:0", (0, None), False, False),
        ("FAILED", "3:0", (3, None), False, True),
        ("FAILED", "0:9", (None, 9), False, True),
        ("OUT_OF_MEMORY", "0:125", (None, 9), False, True),
        ("TIMEOUT", "0:15", (None, None), False, True),
        ("TIMEOUT", "0:0", (None, None), False, True),
        ("NODE_FAIL", "0:0", (None, None), False, True),
        ("PREEMPTED", "0:15", (None, None), False, True),
        ("BOOT_FAIL", "0:0", (None, None), False, True),
        ("DEADLINE", "0:15", (None, None), False, False),
        ("CANCELLED", "0:15", (None, None), True, False),
        ("REVOKED", "0:0", (None, None), True, False),
    ],
)
def test_an_end_and_what_may_follow(
    state: str, exit_code: str, ended_as: tuple[int | None, int | None], by_hand: bool, may_go_on: bool
) -> None:
    ended = job(JobState=state, ExitCode=exit_code)
    assert not ended.alive
    assert (ended.ended_as, ended.by_hand, ended.may_go_on) == (ended_as, by_hand, may_go_on)


def test_a_job_that_was_requeued_behind_our_back_waits_for_a_launch_once_the_former_is_gone() -> None:
    assert not job(JobState="PENDING").is_free
    assert not job(JobState="COMPLETING", Restarts="1").is_free
    assert job(JobState="PENDING", Restarts="1").is_free
    assert not job(JobState="FAILED", Restarts="1").is_free
