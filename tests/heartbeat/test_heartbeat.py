"""The heartbeat of a process that belongs to a run: what is written, whose it is, and forks and copies of it."""

import copy
import json
import logging
import os
import pickle
import sys
import threading

import numpy
import pytest

from tests.heartbeat.conftest import run_script
from tests.support.wait import wait_until
from trainwarden import system
from trainwarden.heartbeat import Heartbeat
from trainwarden.heartbeat.writer import carried
from trainwarden.model import Member, Phase, Progress, RunState
from trainwarden.runs.folder import RunFolder


def only(folder: RunFolder) -> Progress:
    (progress,) = folder.read_progress()
    return progress


# --- what is written --------------------------------------------------------------------------------------
def test_a_training_is_told_to_its_last_step_by_the_time_it_has_ended(launched: RunFolder) -> None:
    done = run_script(
        """
        from trainwarden.heartbeat import Heartbeat
        heartbeat = Heartbeat(max_steps=300)
        for step in range(1, 301):
            heartbeat.step(step, loss=1 / step, epoch=1)
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = only(launched)
    assert (found.writer, found.rank, found.generation, found.phase) == ("heartbeat", 0, 2, Phase.TRAINING)
    assert (found.step, found.steps_done, found.max_steps, found.epoch, found.loss) == (300, 300, 300, 1, 1 / 300)
    assert found.durations is not None and sum(found.durations.counts) == 299


def test_nothing_of_trainwarden_beyond_the_standard_library_is_imported(launched: RunFolder) -> None:
    done = run_script("import trainwarden.heartbeat; print(*sorted(n for n in sys.modules if 'trainwarden' in n))")
    parts = ("count", "place", "writer")
    assert done.stdout.split() == [
        "trainwarden", "trainwarden.heartbeat", *(f"trainwarden.heartbeat.{part}" for part in parts),
        "trainwarden.names", "trainwarden.system",
    ]  # fmt: skip


def test_it_is_written_while_the_training_runs_at_most_once_a_second(heartbeat: Heartbeat, launched: RunFolder) -> None:
    seen: list[int] = []

    def steps_until_written_thrice() -> bool:
        heartbeat.step()
        steps = [progress.steps_done for progress in launched.read_progress()]
        seen.extend(step for step in steps if step not in seen)
        return len(seen) == 3

    before = system.monotonic()
    wait_until(steps_until_written_thrice, 30, "three writes", every=0.001)
    assert system.monotonic() - before >= 2.0


def test_a_phase_is_over_with_its_block_and_a_save_is_counted(heartbeat: Heartbeat, launched: RunFolder) -> None:
    heartbeat.step(1)
    with pytest.raises(ZeroDivisionError), heartbeat.phase("evaluating"):
        assert heartbeat.current_phase == "evaluating"
        with heartbeat.phase("checkpointing"):
            raise ZeroDivisionError
    assert heartbeat.current_phase == "training"
    heartbeat.close()
    assert (only(launched).phase, only(launched).saves) == (Phase.TRAINING, 1)


def test_a_launcher_that_starts_its_workers_anew_goes_on_counting(launched: RunFolder) -> None:
    script = """
        from trainwarden.heartbeat import Heartbeat
        heartbeat = Heartbeat()
        for step in range(1, 11):
            heartbeat.step(step, loss=float("nan") if step == 5 else 0.5)
        with heartbeat.phase("checkpointing"):
            pass
        """
    run_script(script)
    run_script(script)
    found = only(launched)
    assert (found.step, found.steps_done, found.saves, found.nonfinite_losses) == (10, 20, 2, 2)
    assert found.durations is not None and sum(found.durations.counts) == 18
    run_script(script, TRAINWARDEN_GENERATION="3")
    found = only(launched)
    assert (found.generation, found.steps_done, found.saves, found.nonfinite_losses) == (3, 10, 1, 3)


def test_the_next_heartbeat_of_a_process_goes_on_from_the_last_and_no_two_write_by_turns(launched: RunFolder) -> None:
    first, second = Heartbeat(), Heartbeat()
    for step in range(1, 11):
        first.step(step)
    for step in range(1, 11):
        second.step(step)
        first.step(10 + step)
    second.close()
    first.close()
    assert (only(launched).step, only(launched).steps_done) == (10, 20)


@pytest.mark.parametrize("former", [None, [], {}, {"nonfinite_losses": "x"}, {"nonfinite_losses": 1}])
def test_a_former_file_that_holds_something_else_is_not_gone_on_from(former: object) -> None:
    assert carried(former, 1) == {}


def test_nothing_is_written_while_nothing_is_told(heartbeat: Heartbeat, launched: RunFolder) -> None:
    heartbeat.step(1)
    path = launched.progress_path("heartbeat", 0)
    wait_until(path.exists, 5, "the first write")
    first = path.stat().st_ino
    heartbeat.close()
    heartbeat.close()
    assert path.stat().st_ino == first


# --- whose it is ------------------------------------------------------------------------------------------
def test_a_process_that_belongs_to_no_run_writes_nothing(folder: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "trainwarden.heartbeat"), Heartbeat() as heartbeat:
        threads = threading.active_count()
        heartbeat.step(1)
        heartbeat.enter("evaluating")
        assert threading.active_count() == threads
    assert folder.read_progress() == []
    assert [record.getMessage() for record in caplog.records] == [
        "no heartbeat: $TRAINWARDEN_RUN is not set, so this is no run of trainwarden"
    ]


def test_the_launched_run_holds_whatever_name_the_script_has(launched: RunFolder) -> None:
    with Heartbeat("anna") as heartbeat:
        heartbeat.step(1)
    assert only(launched).step == 1


def _state(*, training: bool) -> RunState:
    here = system.read_stat(os.getpid() if training else os.getppid())
    assert here is not None
    return RunState(
        run_id="r1", generation=7, open=True, beat_at=0.0, beat_monotonic=0.0, started_at=0.0,
        members=[Member(pid=here.pid, start_time=here.start_time, state="S")],
    )  # fmt: skip


@pytest.mark.parametrize(("ours", "generations"), [(True, [7]), (False, [])])
def test_a_run_that_is_watched_is_told_only_by_a_process_of_it(
    folder: RunFolder, ours: bool, generations: list[int]
) -> None:
    folder.write_state(_state(training=ours))
    with Heartbeat("luca") as heartbeat:
        heartbeat.step(1)
    assert [progress.generation for progress in folder.read_progress()] == generations


@pytest.mark.parametrize("state", ["", "[]", "{}", '{"members": [1], "generation": 1}', '{"members": 3}'])
def test_a_state_that_cannot_be_read_names_nobody(folder: RunFolder, state: str) -> None:
    folder.state_path.write_text(state)
    with Heartbeat("luca") as heartbeat:
        heartbeat.step(1)
    assert folder.read_progress() == []


@pytest.mark.parametrize(
    ("variables", "rank"),
    [
        ({}, 0),
        ({"RANK": "3", "LOCAL_RANK": "1"}, 3),
        ({"LOCAL_RANK": "1"}, 1),
        ({"SLURM_PROCID": "5", "LOCAL_RANK": "1"}, 5),
        ({"RANK": "-1"}, 0),
        ({"RANK": "first"}, 0),
    ],
)
def test_each_rank_has_a_file_of_its_own(
    launched: RunFolder, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], rank: int
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with Heartbeat() as heartbeat:
        heartbeat.step(1)
    assert only(launched).rank == rank
    assert launched.progress_path("heartbeat", rank).exists()


# --- forks, copies, losses --------------------------------------------------------------------------------
def test_a_worker_that_was_forked_stays_silent_and_one_that_steps_is_heard(launched: RunFolder) -> None:
    done = run_script(
        """
        import os, threading, time
        from trainwarden.heartbeat import Heartbeat
        heartbeat = Heartbeat()
        heartbeat.step(1)
        worker = os.fork()
        if worker == 0:
            silent = threading.active_count() == 1
            sys.exit(0 if silent else 1)  # by the same handlers as the parent's end
        assert os.waitpid(worker, 0)[1] == 0
        while not os.path.exists(os.environ['BEATEN']):
            time.sleep(0.01)
        trainer = os.fork()  # while the thread of this process is at work
        if trainer == 0:
            heartbeat.step(2)
            sys.exit(0)
        assert os.waitpid(trainer, 0)[1] == 0
        """,
        BEATEN=str(launched.progress_path("heartbeat", 0)),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (only(launched).step, only(launched).steps_done) == (2, 2)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda heartbeat: pickle.loads(pickle.dumps(heartbeat))])
def test_a_copy_counts_for_itself_and_writes_only_when_it_steps(launched: RunFolder, copied) -> None:
    original = Heartbeat(max_steps=10, framework="hf")
    with copied(original) as twin:
        assert twin is not original
        assert launched.read_progress() == []
        twin.step(1)
    assert (only(launched).max_steps, only(launched).framework) == (10, "hf")


@pytest.mark.parametrize("loss", [1, 0.5, numpy.float32(0.5), numpy.float64(0.5)])
def test_numbers_of_every_kind_are_losses(heartbeat: Heartbeat, launched: RunFolder, loss) -> None:
    heartbeat.step(numpy.int64(3), loss=loss)
    heartbeat.close()
    assert (only(launched).step, only(launched).loss) == (3, float(loss))


class Tensor:
    """As torch has it, so far as a loss goes; whoever asks for the value waits for the GPU."""

    asked = 0

    def item(self) -> float:
        type(self).asked += 1
        return 0.25


def test_a_tensor_is_asked_for_its_value_at_most_every_ten_seconds(
    heartbeat: Heartbeat, launched: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", type("torch", (), {"Tensor": Tensor}))
    for step in range(1, 1000):
        heartbeat.step(step, loss=Tensor())
    heartbeat.close()
    assert (only(launched).loss, Tensor.asked) == (0.25, 1)


def test_a_tensor_of_several_processes_is_never_asked(
    heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class DTensor(Tensor):
        def item(self) -> float:
            raise AssertionError("the other ranks would have to ask, too")

    monkeypatch.setitem(sys.modules, "torch", type("torch", (), {"Tensor": Tensor}))
    heartbeat.step(1, loss=DTensor())
    assert "the loss is a DTensor, and is not shown; hand over a number" in capsys.readouterr().err


def test_the_file_is_the_json_that_every_reader_knows(heartbeat: Heartbeat, launched: RunFolder) -> None:
    heartbeat.step(1, loss=float("nan"))
    heartbeat.close()
    told = json.loads(launched.progress_path("heartbeat", 0).read_text())
    assert told.keys() <= set(Progress.__struct_fields__)
