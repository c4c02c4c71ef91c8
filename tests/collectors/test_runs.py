import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.collectors.samples import BOOT, NOW, progress, spec, state, values, write
from trainwarden.collectors.runs import Run, Runs, RunsReading, families
from trainwarden.model import (
    STEP_BUCKETS,
    Ended,
    ErrorKind,
    Identity,
    Member,
    Outcome,
    Phase,
    StepDurations,
)
from trainwarden.runs.attendance import KEEPER_LOCK, SUPERVISOR_LOCK
from trainwarden.supervise.detach import lock

DAY = 86400.0
ENDED = Ended(Outcome.CRASHED, NOW)


def read(root: Path, now: float = NOW, boot: str = BOOT) -> RunsReading:
    return Runs(root, keep_ended=7 * DAY).read(now, boot)


def read_one(root: Path, *parts: Any) -> Run:
    write(root, *parts)
    return read(root).runs[0]


def told(root: Path) -> dict[str, dict[str, float]]:
    return values(families(read(root).runs, {}))


def test_no_runs_folder_is_an_empty_reading(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == RunsReading()


def test_a_folder_without_run_json_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "stray").mkdir()
    assert read(tmp_path) == RunsReading()


@pytest.mark.parametrize(
    ("parts", "phase", "since", "up"),
    [
        pytest.param([], Phase.STARTING, NOW, False, id="before the first beat: starting"),
        pytest.param([state()], Phase.STARTING, NOW - 60, True, id="before any output: starting"),
        pytest.param([state(), progress()], Phase.TRAINING, NOW - 30, True, id="live: as the progress says"),
        pytest.param([state(training=None)], Phase.STARTING, NOW - 60, False, id="not launched yet: not up"),
        pytest.param(
            [state(generation=2), progress(generation=1)],
            Phase.STARTING,
            NOW - 60,
            True,
            id="progress of the generation before: starting",
        ),
        pytest.param(
            [state(run_id="earlier"), progress()], Phase.STARTING, NOW, False, id="state of an earlier use of the name"
        ),
        *(
            pytest.param([state(ended=Ended(outcome, NOW - 5)), progress()], phase, NOW - 5, False, id=outcome.value)
            for outcome, phase in (
                (Outcome.FINISHED, Phase.FINISHED),
                (Outcome.CRASHED, Phase.FAILED),
                (Outcome.STOPPED_BY_USER, Phase.STOPPED),
                (Outcome.STOPPED_FOR_RESTART, Phase.STOPPED),
            )
        ),
        pytest.param(
            [state(training=Identity("another boot", 1, 1, 1)), progress()],
            Phase.FAILED,
            NOW,
            False,
            id="the machine went down under it: failed at the last beat",
        ),
    ],
)
def test_one_phase_comes_of_state_and_progress(
    tmp_path: Path, parts: list[Any], phase: Phase, since: float, up: bool
) -> None:
    run = read_one(tmp_path, spec(), *parts)
    assert (run.phase, run.phase_since, run.up) == (phase, since, up)
    found = told(tmp_path)
    assert {key for key, value in found["trainwarden_run_phase"].items() if value} == {f"{phase.value},luca"}
    assert len(found["trainwarden_run_phase"]) == len(Phase)


@pytest.mark.parametrize(
    ("facts", "phase"),
    [
        pytest.param({}, Phase.STOPPED, id="open: it is being restarted"),
        pytest.param({"open": False}, Phase.FAILED, id="closed: nobody restarted it"),
        pytest.param({"open": False, "stop_by": "user"}, Phase.STOPPED, id="closed by the user in the pause"),
    ],
)
def test_a_run_that_was_stopped_for_a_restart_that_never_came_has_failed(
    tmp_path: Path, facts: dict[str, Any], phase: Phase
) -> None:
    ended = Ended(Outcome.STOPPED_FOR_RESTART, NOW - 5)
    run = read_one(tmp_path, spec(), state(**{"ended": ended, "stop_by": "receiver", **facts}), progress())
    assert (run.phase, run.phase_since, run.up) == (phase, NOW - 5, False)


@pytest.mark.parametrize(
    ("beat_age", "held", "up"),
    [
        pytest.param(31, None, False, id="keeper and supervisor were killed: lost"),
        pytest.param(30, None, True, id="the beat is young: another supervisor may be on its way"),
        pytest.param(3600, KEEPER_LOCK, True, id="old, but the keeper lives"),
        pytest.param(3600, SUPERVISOR_LOCK, True, id="old, but the supervisor lives"),
    ],
)
def test_a_run_that_nobody_attends_is_lost(tmp_path: Path, beat_age: float, held: str | None, up: bool) -> None:
    folder = write(tmp_path, spec(), state(beat_at=NOW - beat_age), progress())
    (folder.path / KEEPER_LOCK).touch()
    with lock(folder.path / held) if held else nullcontext():
        run = read(tmp_path).runs[0]
    since = NOW - 30 if up else NOW - beat_age
    assert (run.up, run.phase, run.phase_since) == (up, Phase.TRAINING if up else Phase.FAILED, since)


def test_the_heartbeat_is_preferred_and_errors_come_of_every_writer(tmp_path: Path) -> None:
    run = read_one(
        tmp_path,
        spec(),
        state(),
        progress(step=10, errors={"nccl": 2}),
        progress(writer="heartbeat", step=12, errors={"nan_loss": 1, "nccl": 1}),
        progress(writer="heartbeat", rank=1, step=99),
    )
    assert run.progress is not None
    assert run.progress.step == 12
    assert run.errors == {kind.value: {"nccl": 2, "nan_loss": 1}.get(kind.value, 0) for kind in ErrorKind}


def test_the_histogram_is_cumulative(tmp_path: Path) -> None:
    counts = [0] * (len(STEP_BUCKETS) + 1)
    counts[6], counts[-1] = 3, 1
    write(tmp_path, spec(), state(), progress(durations=StepDurations(counts, 99.0)))
    found = told(tmp_path)
    buckets = found["trainwarden_run_step_duration_seconds_bucket"]
    assert (buckets["2.0,luca"], buckets["2.5,luca"], buckets["60.0,luca"], buckets["+Inf,luca"]) == (0, 3, 3, 4)
    assert found["trainwarden_run_step_duration_seconds_count"] == {"luca": 4}
    assert found["trainwarden_run_step_duration_seconds_sum"] == {"luca": 99}


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        pytest.param(Ended(Outcome.FINISHED, NOW, exit_code=0), {"luca": 0}, id="finished"),
        pytest.param(Ended(Outcome.CRASHED, NOW, signal=9), {"luca": 137}, id="a signal, as a shell has it"),
        pytest.param(Ended(Outcome.CRASHED, NOW), None, id="unknown: the keeper died"),
        pytest.param(None, None, id="alive"),
    ],
)
def test_the_exit_code(tmp_path: Path, ended: Ended | None, code: dict[str, float] | None) -> None:
    write(tmp_path, spec(), state(ended=ended))
    assert told(tmp_path).get("trainwarden_run_exit_code") == code


def test_what_the_trainer_has_not_said_yet_is_absent(tmp_path: Path) -> None:
    write(tmp_path, spec(), state(), progress(phase=Phase.CACHING))
    found = told(tmp_path)
    assert not {"trainwarden_run_step", "trainwarden_run_loss", "trainwarden_run_last_step_timestamp_seconds"} & set(
        found
    )
    assert found["trainwarden_run_steps_total"] == {"luca": 0}


def test_a_dead_member_that_is_not_reaped_yet_does_not_count(tmp_path: Path) -> None:
    write(tmp_path, spec(), state(members=[Member(1, 1, "R"), Member(2, 1, "Z"), Member(3, 1, "D")]))
    assert told(tmp_path)["trainwarden_run_members"] == {"luca": 2}


def test_the_info_and_the_start_carry_the_generation(tmp_path: Path) -> None:
    write(tmp_path, spec(profile="conservative"), state(generation=3))
    found = told(tmp_path)
    assert found["trainwarden_run_info"] == {",3,supervisor,conservative,kohya,luca": 1}
    assert found["trainwarden_run_start_timestamp_seconds"] == {"3,luca": NOW - 60}


@pytest.mark.parametrize(
    ("parts", "leaves"),
    [
        pytest.param([state(open=False, ended=ENDED)], True, id="over"),
        pytest.param([state(open=True, ended=ENDED)], True, id="crashed, and nobody is left to restart it"),
        pytest.param([state()], True, id="keeper and supervisor were killed"),
        pytest.param([state(training=Identity("another boot", 1, 1, 1))], True, id="the machine went down"),
        pytest.param([], True, id="its keeper died before the first beat"),
        pytest.param([state(beat_at=NOW + 8 * DAY)], False, id="it lives"),
        pytest.param([state(open=True, ended=ENDED, beat_at=NOW + 8 * DAY)], False, id="it waits for a restart"),
    ],
)
def test_a_run_of_which_nothing_more_can_come_leaves_after_a_while(
    tmp_path: Path, parts: list[Any], leaves: bool
) -> None:
    write(tmp_path, spec(), *parts)
    assert [run.name for run in read(tmp_path, now=NOW + 6 * DAY).runs] == ["luca"]
    assert [run.name for run in read(tmp_path, now=NOW + 8 * DAY).runs] == ([] if leaves else ["luca"])


def test_a_run_whose_clock_was_late_stays_while_its_keeper_lives(tmp_path: Path) -> None:
    folder = write(tmp_path, spec(), state())
    (folder.path / KEEPER_LOCK).touch()
    with lock(folder.path / KEEPER_LOCK):
        assert [run.name for run in read(tmp_path, now=NOW + 8 * DAY).runs] == ["luca"]


def test_every_writer_of_rank_0_tells_when_it_last_had_something_to_say(tmp_path: Path) -> None:
    write(
        tmp_path,
        spec(),
        state(),
        progress(),
        progress(writer="heartbeat", beat_at=NOW - 9),
        progress(writer="heartbeat", rank=1, beat_at=NOW - 1),
    )
    assert told(tmp_path)["trainwarden_run_progress_timestamp_seconds"] == {
        "luca,output": NOW,
        "luca,heartbeat": NOW - 9,
    }


def test_the_framework_is_told_once_a_writer_knows_it(tmp_path: Path) -> None:
    write(tmp_path, spec(), state(), progress(framework="kohya"), progress(writer="heartbeat"))
    assert told(tmp_path)["trainwarden_run_info"] == {"kohya,1,supervisor,balanced,kohya,luca": 1}


def test_losses_that_were_no_number_count_once_though_two_writers_saw_them(tmp_path: Path) -> None:
    write(tmp_path, spec(), state(), progress(nonfinite_losses=3), progress(writer="heartbeat", nonfinite_losses=2))
    assert told(tmp_path)["trainwarden_run_nonfinite_losses_total"] == {"luca": 3}


def test_saves_are_told_as_the_trainer_showed_them(tmp_path: Path) -> None:
    write(tmp_path, spec(), state(), progress(saves=2, last_save_seconds=3.5))
    found = told(tmp_path)
    assert found["trainwarden_checkpoint_saves_total"] == {"luca": 2}
    assert found["trainwarden_checkpoint_save_duration_seconds"] == {"luca": 3.5}


def test_an_error_kind_of_a_newer_writer_is_told_too(tmp_path: Path) -> None:
    assert read_one(tmp_path, spec(), state(), progress(errors={"new_kind": 1})).errors["new_kind"] == 1


def test_a_file_is_read_again_only_when_it_was_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path, spec(), state(), progress(step=1))
    runs = Runs(tmp_path, keep_ended=DAY)
    first = runs.read(NOW, BOOT)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} is read again"))
        assert runs.read(NOW, BOOT) == first
    folder.write_progress(progress(step=2))
    assert runs.read(NOW, BOOT).runs[0].progress == progress(step=2)


def test_a_folder_that_comes_goes_and_comes_back_is_seen_each_time(tmp_path: Path) -> None:
    runs = Runs(tmp_path, keep_ended=DAY)
    for _ in range(2):
        assert runs.read(NOW, BOOT).runs == ()
        write(tmp_path, spec(), state())
        assert [run.name for run in runs.read(NOW, BOOT).runs] == ["luca"]
        shutil.rmtree(tmp_path / "luca")
