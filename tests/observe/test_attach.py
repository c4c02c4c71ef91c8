"""What already runs is watched from outside: seen whole, judged honestly, and never touched."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.observe.conftest import (
    Trainings,
    lives,
    observer_pid,
    progress,
    state,
    until_ended,
    until_step,
)
from tests.supervise.conftest import TICKING, Runs, runs  # noqa: F401  (a fixture)
from tests.support.wait import wait_until
from trainwarden.errors import ConfigurationError, RefusedError, RunFolderError
from trainwarden.model import Identity, Outcome, Phase
from trainwarden.observe import attach as observe
from trainwarden.runs import control
from trainwarden.runs.attendance import is_attended
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import viewer


def test_a_training_is_read_off_its_command_its_log_and_proc(trainings: Trainings) -> None:
    training = trainings.start(trainings.demo())
    wait_until(lambda: b"steps:" in trainings.log.read_bytes(), 15, "it trains")
    folder = trainings.attach(pid=training.pid, log=str(trainings.log)).folder
    spec, found = folder.read_spec(), state(folder)
    assert spec is not None
    assert (spec.attached, spec.recipe, spec.checkpoints) == (True, "kohya", str(trainings.checkpoints))
    assert (spec.command, spec.cwd) == (trainings.demo(), str(trainings.folder))
    assert found.training is not None
    assert (found.training.pid, found.ended, found.open) == (training.pid, None, True)
    assert abs(found.started_at - found.beat_at) < 60
    seen = until_step(folder, 10)
    assert (seen.max_steps, seen.writer) == (2500, "output")
    # It may be saving at the moment of a look.
    wait_until(lambda: progress(folder).phase is Phase.TRAINING, 10, "it is seen to train")
    wait_until(lambda: state(folder).cpu_seconds > 0 and state(folder).rss_bytes > 10**6, 10, "its usage is read")
    assert state(folder).threads >= 1


def test_what_was_printed_before_the_watch_says_where_it_stands_and_is_not_news(trainings: Trainings) -> None:
    trainings.log.write_text("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 GiB.\n")
    training = trainings.start(trainings.demo(step_seconds=0.2))
    wait_until(lambda: b"| 3/2500" in trainings.log.read_bytes(), 15, "it has taken three steps")
    os.kill(training.pid, signal.SIGSTOP)  # nothing comes after the backlog
    folder = trainings.attach(pid=training.pid, log=str(trainings.log)).folder
    seen = progress(folder)
    before = seen.step or 0
    assert before >= 3
    assert (seen.steps_done, seen.errors, seen.last_step_at) == (0, {}, None)
    assert (seen.max_steps, seen.phase) == (2500, Phase.TRAINING)
    os.kill(training.pid, signal.SIGCONT)
    assert until_step(folder, before + 2).errors == {}


def test_a_finished_training_is_told_by_its_last_checkpoint(trainings: Trainings) -> None:
    training = trainings.start(trainings.demo(epochs=4))
    folder = trainings.attach(pid=training.pid, log=str(trainings.log)).folder
    training.wait(30)
    ended = until_ended(folder).ended
    assert ended is not None
    assert (ended.outcome, ended.exit_code, ended.signal) == (Outcome.FINISHED, None, None)
    assert ended.reason == f"Its last checkpoint is whole: {trainings.checkpoints / 'luca.safetensors'}."
    assert progress(folder).step == 20
    wait_until(lambda: not is_attended(folder), 10, "the observer has ended")


def test_a_killed_training_is_told_as_failed_with_an_unknown_status(trainings: Trainings) -> None:
    training = trainings.start(trainings.demo())
    folder = trainings.attach(pid=training.pid, log=str(trainings.log)).folder
    until_step(folder, 3)
    training.kill()
    training.wait()
    ended = until_ended(folder).ended
    assert ended is not None
    assert (ended.outcome, ended.exit_code) == (Outcome.CRASHED, None)
    assert ended.reason == "The training is gone; the exit status is unknown."


def test_a_training_whose_final_checkpoint_is_an_earlier_run_s_is_not_finished(trainings: Trainings) -> None:
    subprocess.run(trainings.demo(epochs=1, step_seconds=0), check=True, capture_output=True, cwd=trainings.folder)
    old = trainings.checkpoints / "luca.safetensors"
    os.utime(old, (1_700_000_000, 1_700_000_000))
    training = trainings.start(trainings.demo())
    folder = trainings.attach(pid=training.pid, log=str(trainings.log)).folder
    until_step(folder, 3)
    training.kill()
    training.wait()
    ended = until_ended(folder).ended
    assert ended is not None and ended.outcome is Outcome.CRASHED


def test_a_crash_is_told_with_its_last_words(trainings: Trainings) -> None:
    training = trainings.start(trainings.demo("--oom-at-step", "40"))
    folder = trainings.attach(pid=training.pid, log=str(trainings.log)).folder
    training.wait(30)
    found = until_ended(folder)
    assert found.ended is not None and found.ended.outcome is Outcome.CRASHED
    assert "CUDA out of memory" in found.last_words
    assert progress(folder).errors == {"cuda_out_of_memory": 1}


def test_a_ctrl_c_of_the_user_is_no_crash(trainings: Trainings) -> None:
    training = trainings.start(trainings.demo())
    folder = trainings.attach(pid=training.pid, log=str(trainings.log)).folder
    until_step(folder, 3)
    training.send_signal(signal.SIGINT)
    training.wait(30)
    ended = until_ended(folder).ended
    assert ended is not None and ended.outcome is Outcome.STOPPED_BY_USER


def test_a_rotated_log_is_followed_into_the_next(trainings: Trainings) -> None:
    training = trainings.start(trainings.demo("--crash-at-step", "40"))
    folder = trainings.attach(pid=training.pid, log=str(trainings.log)).folder
    until_step(folder, 5)
    trainings.log.rename(trainings.log.with_suffix(".1"))
    trainings.log.touch()  # as logrotate's `create` leaves it; the training stays in the old file
    until_step(folder, 20)
    training.wait(30)
    assert "CUDA error" in until_ended(folder).last_words
    assert progress(folder).step == 39


def test_a_copied_and_emptied_log_is_followed_on(trainings: Trainings) -> None:
    training = trainings.start(trainings.demo())
    folder = trainings.attach(pid=training.pid, log=str(trainings.log)).folder
    before = until_step(folder, 5).step or 0
    trainings.log.with_suffix(".1").write_bytes(trainings.log.read_bytes())
    os.truncate(trainings.log, 0)
    seen = until_step(folder, before + 10)
    assert seen.steps_done <= (seen.step or 0)


def test_a_log_that_comes_late_is_read_from_its_beginning(trainings: Trainings) -> None:
    training = trainings.start(trainings.demo())
    late = trainings.folder / "late.log"
    attached = trainings.attach(pid=training.pid, log=str(late))
    assert attached.warnings == [f"log {late}: is not there yet; it is read from its beginning once it comes"]
    late.write_bytes(b"steps:  40%|##  | 100/250 [00:07<00:15,  2.51it/s, avr_loss=1.08]\r")
    until_step(attached.folder, 100)


def test_a_killed_observer_is_replaced_by_attaching_again_and_nothing_is_lost(trainings: Trainings) -> None:
    training = trainings.start(trainings.demo())
    first = trainings.attach(pid=training.pid, log=str(trainings.log))
    folder, run_id = first.folder, state(first.folder).run_id
    before = until_step(folder, 5)
    os.kill(observer_pid(folder), signal.SIGKILL)
    wait_until(lambda: not is_attended(folder), 10, "the observer is gone")
    assert lives(training.pid)
    second = trainings.attach(pid=training.pid)
    assert (first.resumed, second.resumed) == (False, True)
    after = until_step(folder, (before.step or 0) + 5)
    assert state(folder).run_id == run_id
    assert after.steps_done - before.steps_done == (after.step or 0) - (before.step or 0)


def test_a_new_training_under_the_name_is_a_new_run_and_the_former_is_kept(trainings: Trainings) -> None:
    training = trainings.start(trainings.demo())
    folder = trainings.attach(pid=training.pid, log=str(trainings.log)).folder
    former = state(folder).run_id
    training.kill()
    training.wait()
    until_ended(folder)
    wait_until(lambda: not is_attended(folder), 10, "the observer has ended")
    again = trainings.start(trainings.demo())
    attached = trainings.attach(pid=again.pid)
    assert not attached.resumed
    assert state(folder).run_id != former
    assert (folder.path / "archive" / former / "state.json").exists()


def test_without_output_it_is_watched_and_nothing_is_said_of_its_steps(trainings: Trainings) -> None:
    training = trainings.start(trainings.demo())
    attached = trainings.attach(pid=training.pid)
    assert re.match("the output is not followed, so that steps, phase and errors stay unknown", attached.warnings[0])
    wait_until(lambda: state(attached.folder).cpu_seconds > 0, 10, "it is watched")
    seen = progress(attached.folder)
    assert (seen.phase, seen.step, seen.last_step_at) == (Phase.STARTING, None, None)


def test_a_launcher_that_is_killed_alone_does_not_end_the_training_that_trains_on(trainings: Trainings) -> None:
    """As accelerate's: its trainer goes on as an orphan, and keeps saving."""
    script = trainings.folder / "train.py"
    script.write_text("import time\nfor n in range(9999): print('tick', n, flush=True); time.sleep(0.1)")
    launching = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"
    launcher = trainings.start([sys.executable, "-c", launching, "train.py"])
    wait_until(lambda: trainings.log.stat().st_size > 0, 15, "its trainer trains")
    folder = trainings.attach(pid=launcher.pid, log=str(trainings.log)).folder
    wait_until(lambda: len(state(folder).members) == 2, 10, "launcher and trainer are counted")
    trainer = next(member.pid for member in state(folder).members if member.pid != launcher.pid)
    launcher.kill()
    launcher.wait()
    wait_until(lambda: (state(folder).training or Identity("", 0, 0, 0)).pid == trainer, 15, "the trainer is followed")
    assert state(folder).ended is None
    os.kill(trainer, signal.SIGKILL)
    ended = until_ended(folder).ended
    assert ended is not None and ended.outcome is Outcome.CRASHED


# --- it is not ours ---------------------------------------------------------------------------------------


def test_stop_and_start_are_refused_and_the_training_trains_on(trainings: Trainings) -> None:
    training = trainings.start(trainings.demo())
    folder = trainings.attach(pid=training.pid, log=str(trainings.log)).folder
    before = until_step(folder, 3).step or 0
    with pytest.raises(RefusedError, match="`trainwarden detach luca` ends the watching"):
        viewer.stop(folder)
    for request in (
        control.Stop(by="receiver", final=True),
        control.Stop(by="receiver"),
        control.Start(checkpoint=str(trainings.checkpoints / "luca-000001-state"), generation=2),
    ):
        with pytest.raises(RefusedError, match="was started outside of trainwarden, which only watches it"):
            control.ask(folder, request)
    until_step(folder, before + 5)
    assert (state(folder).generation, state(folder).resumable) == (1, False)
    assert state(folder).resumable_reason.startswith("attached: ")
    assert lives(training.pid)


def test_detach_ends_the_watch_and_nothing_else(trainings: Trainings) -> None:
    training = trainings.start(trainings.demo())
    folder = trainings.attach(pid=training.pid, log=str(trainings.log)).folder
    until_step(folder, 3)
    observe.detach(folder)
    wait_until(lambda: not is_attended(folder), 10, "the observer has ended")
    ended = state(folder).ended
    assert ended is not None
    assert (ended.outcome, ended.reason) == (
        Outcome.STOPPED_BY_USER,
        "The watch was ended by the user; the training goes on, unseen.",
    )
    size = trainings.log.stat().st_size
    wait_until(lambda: trainings.log.stat().st_size > size, 10, "it trains on")
    with pytest.raises(RunFolderError, match="is not watched: there is nothing to detach"):
        observe.detach(folder)


def test_a_name_that_is_watched_is_not_taken_twice(trainings: Trainings) -> None:
    training = trainings.start(trainings.demo())
    trainings.attach(pid=training.pid)
    with pytest.raises(ConfigurationError, match=r"run 'luca' is watched already; `trainwarden detach luca` ends that"):
        trainings.attach(pid=training.pid)


# --- what cannot be watched --------------------------------------------------------------------------------


def test_a_named_pipe_is_no_log(trainings: Trainings) -> None:
    os.mkfifo(trainings.folder / "pipe")
    with pytest.raises(ConfigurationError, match="is not a plain file"):
        trainings.attach(pid=os.getpid(), log=str(trainings.folder / "pipe"))


@pytest.mark.parametrize("what", [{}, {"pid": 1, "session": "luca"}])
def test_one_thing_is_to_be_named(trainings: Trainings, what: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="say what to watch by one of --pid N and --tmux SESSION"):
        trainings.attach(**what)


def test_nothing_of_a_run_is_left_where_the_training_cannot_be_found(trainings: Trainings, state_home: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such process"):
        trainings.attach(pid=2**22 - 1)
    assert not RunFolder("luca").path.exists()


def test_only_an_attached_run_can_be_detached(trainings: Trainings, state_home: Path) -> None:
    with pytest.raises(RunFolderError, match=r"there is no run 'luca' in .*; runs there: none"):
        observe.detach(RunFolder("luca"))


def test_a_run_of_trainwarden_s_own_is_not_detached(trainings: Trainings, runs: Runs) -> None:  # noqa: F811
    folder = runs.start(TICKING)
    with pytest.raises(RunFolderError, match="was started by trainwarden, so there is nothing to detach"):
        observe.detach(folder)
    with pytest.raises(RefusedError, match="was started by trainwarden: there is nothing to detach"):
        control.ask(folder, control.Detach())
    with pytest.raises(ConfigurationError, match="run 'luca' is live"):
        trainings.attach(pid=os.getpid())
    assert state(folder).ended is None
