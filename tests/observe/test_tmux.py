"""Panes of a real tmux: found by what runs in them, read without a keystroke, and no pipe of the user's is touched."""

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.observe.conftest import Tmux, Trainings, lives, observer_pid, progress, state, until_ended, until_step
from tests.support.wait import wait_until
from trainwarden.errors import ConfigurationError
from trainwarden.model import Outcome, Phase
from trainwarden.observe import attach as observe
from trainwarden.observe import output
from trainwarden.observe import tmux as panes
from trainwarden.runs.attendance import is_attended

SLEEP = "sleep 500"


def until_runs(tmux: Tmux, target: str, what: str) -> None:
    wait_until(
        lambda: what in tmux("list-panes", "-s", "-t", f"={target}:", "-F", "#{pane_current_command}"),
        15,
        f"{what} runs in {target}",
    )


def until_bar(tmux: Tmux, name: str, n: int) -> None:
    """The bar stands at that step or beyond: one reading in between may be missed."""

    def drawn() -> bool:
        shown = re.findall(r"\| (\d+)/\d+ \[", tmux("capture-pane", "-p", "-J", "-t", f"={name}:"))
        return any(int(found) >= n for found in shown[-1:])

    wait_until(drawn, 20, f"step {n} is on the pane")


# --- finding -------------------------------------------------------------------------------------------------


def test_what_a_user_typed_into_a_shell_is_found_in_the_foreground(tmux: Tmux) -> None:
    tmux.session("luca")
    tmux.type("luca", SLEEP)
    until_runs(tmux, "luca", "sleep")
    found, pid = panes.find("luca")
    assert found.place == "luca:0.0" and not found.piped
    assert panes.read_command(pid) == ["sleep", "500"]


def test_a_session_that_is_the_command_itself_is_found(tmux: Tmux) -> None:
    tmux.session("luca", "sleep", "500")
    assert panes.read_command(panes.find("luca")[1]) == ["sleep", "500"]


def test_the_head_of_a_pipeline_is_the_training(tmux: Tmux) -> None:
    tmux.session("luca")
    tmux.type("luca", "tail -f /dev/null | cat")
    until_runs(tmux, "luca", "tail")
    assert panes.read_command(panes.find("luca")[1])[0] == "tail"


def test_of_several_panes_the_one_where_something_runs_is_meant(tmux: Tmux) -> None:
    tmux.session("luca")
    tmux("split-window", "-t", "=luca:", "sleep 500")
    found, pid = panes.find("luca")
    assert found.place == "luca:0.1"
    assert panes.read_command(pid)[0] == "sleep"


def test_of_several_busy_panes_one_is_to_be_named(tmux: Tmux) -> None:
    tmux.session("luca", "sleep", "500")
    tmux("new-window", "-t", "=luca:", "tail -f /dev/null")
    with pytest.raises(ConfigurationError, match=r"name one of luca:0.0 \(sleep\), luca:1.0 \(tail\)"):
        panes.find("luca")
    assert panes.read_command(panes.find("luca:1")[1])[0] == "tail"
    assert panes.read_command(panes.find("luca:1.0")[1])[0] == "tail"
    assert panes.read_command(panes.find(panes.find("luca:0")[0].pane.id)[1])[0] == "sleep"


def test_a_shell_at_its_prompt_is_no_training(tmux: Tmux) -> None:
    tmux.session("luca")
    with pytest.raises(ConfigurationError, match=r"tmux luca: nothing but a shell runs there \(luca:0.0\)"):
        panes.find("luca")


@pytest.mark.parametrize("target", ["luc", "luca:7", "luca:0.7", "%999", "mia"])
def test_what_is_not_there_is_told_in_one_sentence(tmux: Tmux, target: str) -> None:
    tmux.session("luca", "sleep", "500")
    with pytest.raises(ConfigurationError, match=f"tmux {target}: (can't find|there is no such pane)"):
        panes.find(target)


def test_without_a_server_tmux_s_own_words_are_told(tmux: Tmux) -> None:
    with pytest.raises(ConfigurationError, match=r"tmux luca: (no server running|error connecting)"):
        panes.find("luca")


def test_another_server_is_named_as_tmux_does(tmux: Tmux) -> None:
    subprocess.run(
        ["tmux", "-L", "other", "-f", "/dev/null", "new-session", "-d", "-s", "luca", "sleep", "500"], check=True
    )
    try:
        found, _ = panes.find("luca", "other")
        assert panes.find("luca", found.pane.socket)[0] == found
    finally:
        subprocess.run(["tmux", "-L", "other", "kill-server"], check=True)


# --- watching ------------------------------------------------------------------------------------------------


def test_a_training_in_a_pane_is_followed_from_where_it_stands_to_its_end(tmux: Tmux, trainings: Trainings) -> None:
    tmux.session("luca")
    tmux.type("luca", shlex.join(trainings.demo(epochs=8, step_seconds=0.2)))
    until_bar(tmux, "luca", 7)
    before = tmux("capture-pane", "-p", "-S", "-", "-t", "=luca:").splitlines()
    attached = trainings.attach(session="luca")
    assert attached.warnings == []
    assert tmux.pipe("luca") == "1"
    seen = progress(attached.folder)
    assert (seen.step or 0) >= 7 and seen.max_steps == 40 and seen.max_epochs == 8
    assert seen.steps_done <= (seen.step or 0) - 6
    ended = until_ended(attached.folder, 60).ended
    assert ended is not None and ended.outcome is Outcome.FINISHED
    assert progress(attached.folder).step == 40
    wait_until(lambda: tmux.pipe("luca") == "0", 10, "our pipe is gone")
    after = tmux("capture-pane", "-p", "-S", "-", "-t", "=luca:").splitlines()
    assert after[:3] == before[:3]
    assert sum(line.startswith("bash-") for line in after) == 2, (
        "the user's command and the last prompt: nothing was typed"
    )


def test_a_pipe_of_the_user_s_is_left_alone_and_nothing_is_said_of_steps(tmux: Tmux, trainings: Trainings) -> None:
    tmux.session("luca")
    theirs = trainings.folder / "theirs.log"
    tmux("pipe-pane", "-t", "=luca:", f"cat >> {theirs}")
    tmux.type("luca", shlex.join(trainings.demo()))
    until_bar(tmux, "luca", 3)
    attached = trainings.attach(session="luca")
    assert len(attached.warnings) == 1 and "has a pipe already, which is left alone" in attached.warnings[0]
    size = theirs.stat().st_size
    wait_until(lambda: theirs.stat().st_size > size, 10, "the user's pipe goes on")
    wait_until(lambda: progress(attached.folder).phase is Phase.STARTING, output.LOST_AFTER + 10, "steps are unknown")
    observe.detach(attached.folder)
    wait_until(lambda: not is_attended(attached.folder), 10, "the observer has ended")
    size = theirs.stat().st_size
    wait_until(lambda: theirs.stat().st_size > size, 10, "the user's pipe goes on")


def test_a_killed_observer_loses_nothing_that_the_pane_prints(tmux: Tmux, trainings: Trainings) -> None:
    tmux.session("luca")
    tmux.type("luca", shlex.join(trainings.demo()))
    until_bar(tmux, "luca", 3)
    folder = trainings.attach(session="luca").folder
    before = until_step(folder, 8)
    os.kill(observer_pid(folder), signal.SIGKILL)
    wait_until(lambda: not is_attended(folder), 10, "the observer is gone")
    again = trainings.attach(session="luca")
    assert again.resumed and again.warnings == []
    after = until_step(folder, (before.step or 0) + 5)
    assert after.steps_done - before.steps_done == (after.step or 0) - (before.step or 0)


def test_a_follower_that_dies_takes_nothing_with_it_and_another_is_piped(tmux: Tmux, trainings: Trainings) -> None:
    tmux.session("luca")
    tmux.type("luca", shlex.join(trainings.demo()))
    until_bar(tmux, "luca", 3)
    folder = trainings.attach(session="luca").folder
    training = state(folder).training
    assert training is not None
    before = until_step(folder, 8).step or 0
    os.kill(int(_holder(folder.path / "output.lock")), signal.SIGKILL)
    until_step(folder, before + 20, 40)
    assert lives(training.pid)


def test_detaching_takes_our_pipe_away_and_leaves_the_pane(tmux: Tmux, trainings: Trainings) -> None:
    tmux.session("luca")
    tmux.type("luca", shlex.join(trainings.demo()))
    until_bar(tmux, "luca", 3)
    folder = trainings.attach(session="luca").folder
    training = state(folder).training
    assert training is not None and tmux.pipe("luca") == "1"
    observe.detach(folder)
    wait_until(lambda: tmux.pipe("luca") == "0", 15, "our pipe is gone")
    assert lives(training.pid)


def _holder(lock: Path) -> str:
    """Who holds the lock, as the kernel lists it."""
    inode = str(lock.stat().st_ino)
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
            return fields[4]
    raise AssertionError(f"nobody holds {lock}")
