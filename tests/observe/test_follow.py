"""Between a training and its terminal: everything is passed on and followed, and the pipe never breaks."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.observe.conftest import Trainings, lives, observer_pid, progress, state, until_ended, until_step
from tests.support.wait import wait_until
from trainwarden.errors import ConfigurationError
from trainwarden.model import Outcome
from trainwarden.observe import attach as observe
from trainwarden.observe import follow
from trainwarden.observe.training import read_command
from trainwarden.runs.attendance import is_attended
from trainwarden.runs.folder import RunFolder

FOLLOW = [sys.executable, "-m", "trainwarden", "follow", "luca"]


class Pipeline:
    """``train 2>&1 | trainwarden follow luca > seen``."""

    def __init__(self, trainings: Trainings, train: list[str], follower: list[str], out: int | None = None) -> None:
        self.seen = trainings.folder / "seen"
        self.said = trainings.folder / "said"
        self.train = subprocess.Popen(
            train, cwd=trainings.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        with self.seen.open("wb") as seen, self.said.open("wb") as said:
            self.follow = subprocess.Popen(
                follower, stdin=self.train.stdout, stdout=seen if out is None else out, stderr=said
            )
        assert self.train.stdout is not None
        self.train.stdout.close()  # the follower alone holds it, as in a shell

    def close(self) -> None:
        for process in (self.train, self.follow):
            process.kill()
            process.wait()


@contextmanager
def pipeline(
    trainings: Trainings,
    train: list[str],
    *options: str,
    follower: Sequence[str] = FOLLOW,
    out: int | None = None,
) -> Iterator[Pipeline]:
    made = Pipeline(trainings, train, [*follower, *options], out)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def folder(state_home: Path) -> RunFolder:
    return RunFolder("luca")


def until_attached(folder: RunFolder) -> None:
    wait_until(lambda: folder.state_path.exists() and list(folder.read_progress()), 20, "the run is attached")


def test_a_pipe_alone_attaches_to_its_writer_and_follows_it_from_the_first_byte(
    trainings: Trainings, folder: RunFolder
) -> None:
    with pipeline(trainings, trainings.demo(epochs=8)) as made:
        until_attached(folder)
        training = state(folder).training
        assert training is not None and training.pid == made.train.pid
        ended = until_ended(folder, 60).ended
        assert made.follow.wait(20) == 0
    assert ended is not None and ended.outcome is Outcome.FINISHED
    assert (progress(folder).step, progress(folder).max_steps) == (40, 40)
    followed = folder.output_path(1).read_bytes()
    assert followed == made.seen.read_bytes(), "passed on whole, like tee"
    assert b"caching latents" in followed and b"model saved." in followed


def test_behind_a_tee_the_head_of_the_pipeline_is_watched(trainings: Trainings, folder: RunFolder) -> None:
    line = f"{' '.join(trainings.demo())} 2>&1 | tee train.log | {' '.join(FOLLOW)} --quiet"
    shell = subprocess.Popen(["bash", "-c", line], cwd=trainings.folder, start_new_session=True)
    try:
        until_attached(folder)
        training = state(folder).training
        assert training is not None
        assert read_command(training.pid) == trainings.demo()
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()


def test_quiet_passes_nothing_on(trainings: Trainings, folder: RunFolder) -> None:
    with pipeline(trainings, trainings.demo(epochs=2), "--quiet") as made:
        assert made.follow.wait(60) == 0
        assert made.seen.read_bytes() == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_what_the_terminal_sends_to_both_does_not_break_the_pipe(
    trainings: Trainings, folder: RunFolder, number: signal.Signals
) -> None:
    with pipeline(trainings, trainings.demo()) as made:
        until_attached(folder)
        made.follow.send_signal(number)
        before = until_step(folder, 3).step or 0
        until_step(folder, before + 5)
        assert made.train.poll() is None


def test_a_reader_behind_it_that_is_gone_costs_the_training_nothing(trainings: Trainings, folder: RunFolder) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pipeline(trainings, trainings.demo(), out=writer) as made:
        os.close(writer)
        until_attached(folder)
        until_step(folder, 5)
        assert made.train.poll() is None


def test_a_run_of_trainwarden_s_own_is_not_followed_twice_and_the_pipe_goes_on(
    trainings: Trainings, folder: RunFolder
) -> None:
    training = trainings.start(trainings.demo())
    trainings.attach(pid=training.pid, log=str(trainings.log))
    spec = folder.read_spec()
    assert spec is not None
    with pytest.raises(ConfigurationError, match="the output of run 'luca' is followed already"):
        follow.follow_log(folder, trainings.log)
    with pipeline(trainings, ["bash", "-c", "for i in 1 2 3 4 5; do echo line $i; sleep 0.5; done"]) as made:
        assert made.follow.wait(20) == 0
        assert made.train.wait() == 0
    assert made.seen.read_text().splitlines() == [f"line {n}" for n in range(1, 6)]
    assert made.said.read_text() == "trainwarden: the output of run 'luca' is followed already\n"
    assert b"line 1" not in folder.output_path(1).read_bytes()


def test_a_bad_name_is_told_once_and_the_pipe_goes_on(trainings: Trainings) -> None:
    made = Pipeline(
        trainings,
        ["bash", "-c", "echo one; sleep 2.5; echo two"],
        [sys.executable, "-m", "trainwarden", "follow", "a/b"],
    )
    assert (made.follow.wait(20), made.train.wait()) == (0, 0)
    assert made.seen.read_text() == "one\ntwo\n"
    assert made.said.read_text().count("\n") == 1 and "run name 'a/b'" in made.said.read_text()


def test_a_configuration_that_is_broken_is_told_and_the_run_is_attached_once_it_is_mended(
    trainings: Trainings, folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = tmp_path / "trainwarden.yml"
    configuration.write_text("runs: [")
    monkeypatch.setenv("TRAINWARDEN_CONFIG", str(configuration))
    with pipeline(trainings, trainings.demo()) as made:
        wait_until(lambda: b"is not YAML" in made.said.read_bytes(), 20, "the sentence")
        configuration.write_text("")
        until_attached(folder)
        assert made.train.poll() is None


def test_a_standard_output_that_is_closed_costs_the_training_nothing(trainings: Trainings, folder: RunFolder) -> None:
    with pipeline(trainings, trainings.demo(), follower=["sh", "-c", f"exec {' '.join(FOLLOW)} >&-"]) as made:
        until_attached(folder)
        until_step(folder, 5)
        assert made.train.poll() is None


def test_a_killed_observer_costs_the_pipe_nothing_and_attaching_again_goes_on(
    trainings: Trainings, folder: RunFolder
) -> None:
    with pipeline(trainings, trainings.demo()) as made:
        until_attached(folder)
        before = until_step(folder, 5)
        os.kill(observer_pid(folder), signal.SIGKILL)
        wait_until(lambda: not is_attended(folder), 10, "the observer is gone")
        assert trainings.attach(pid=made.train.pid).resumed
        after = until_step(folder, (before.step or 0) + 5)
        assert after.steps_done - before.steps_done == (after.step or 0) - (before.step or 0)


def test_a_detached_run_is_followed_no_longer_and_the_pipe_goes_on(trainings: Trainings, folder: RunFolder) -> None:
    with pipeline(trainings, trainings.demo()) as made:
        until_attached(folder)
        until_step(folder, 3)
        observe.detach(folder)
        wait_until(lambda: not is_attended(folder), 10, "the observer has ended")
        size = made.seen.stat().st_size
        wait_until(lambda: made.seen.stat().st_size > size + 2000, 20, "it is passed on")
        assert made.train.poll() is None
        assert not is_attended(folder), "nobody attached it again"


def test_a_log_is_followed_for_a_run_that_was_attached_without(trainings: Trainings, folder: RunFolder) -> None:
    training = trainings.start(trainings.demo())
    trainings.attach(pid=training.pid)
    follower = subprocess.Popen([*FOLLOW, "--log", str(trainings.log)])
    try:
        until_step(folder, 5)
        assert lives(training.pid)
        observe.detach(folder)
        assert follower.wait(20) == 0
    finally:
        follower.kill()
        follower.wait()


def test_a_run_that_is_not_attached_has_no_log_to_follow(trainings: Trainings, folder: RunFolder) -> None:
    with pytest.raises(ConfigurationError, match="run 'luca' is not attached; first: trainwarden attach luca --pid N"):
        follow.follow_log(folder, trainings.log)
