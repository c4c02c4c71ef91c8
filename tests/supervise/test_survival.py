"""Who may die without the training noticing, and what follows where it must."""

import os
import resource
import signal
import time
from pathlib import Path

import pytest
from msgspec import structs

from tests.supervise.conftest import (
    PYTHON,
    QUICK,
    TICKING,
    Runs,
    keeper_pid,
    living,
    output,
    state,
    step,
    stop,
    until_closed,
    until_ended,
    until_output,
    until_state,
)
from tests.support.wait import wait_until
from trainwarden import system
from trainwarden.errors import ConfigurationError, RefusedError
from trainwarden.model import Limits, Outcome
from trainwarden.runs import control, identity
from trainwarden.runs.attendance import KEEPER_LOCK, is_attended
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import detach

pytestmark = pytest.mark.usefixtures("nothing_left")


def supervisor_pid(folder: RunFolder) -> int:
    found = state(folder).supervisor
    assert found is not None
    return found.pid


def test_killed_supervisor_is_replaced_and_counts_on(runs: Runs) -> None:
    folder = runs.start(runs.demo("--step_seconds", "0.1"))
    wait_until(lambda: step(folder) >= 3, 15, "three steps")
    before, killed = state(folder), supervisor_pid(folder)
    os.kill(killed, signal.SIGKILL)
    after = until_state(folder, lambda s: s.supervisor and s.supervisor.pid != killed, what="another supervisor")
    assert after.training == before.training
    assert after.generation == 1
    ended = until_closed(folder)
    assert ended.ended is not None and ended.ended.outcome is Outcome.FINISHED
    (progress,) = folder.read_progress()
    assert (progress.step, progress.steps_done) == (20, 20), "no step lost and none counted twice"


def test_stop_goes_on_when_the_supervisor_is_killed_in_the_middle(runs: Runs) -> None:
    folder = runs.start(
        [PYTHON, "-u", "-c", "import signal,time\nsignal.signal(15, 1)\nprint('deaf')\ntime.sleep(600)"]
    )
    until_output(folder, "deaf")
    stop(folder)
    os.kill(supervisor_pid(folder), signal.SIGKILL)
    found = until_closed(folder)
    assert found.ended is not None and found.ended.outcome is Outcome.STOPPED_BY_USER


def test_killed_keeper_ends_as_a_crash_and_start_brings_one_generation(runs: Runs, tmp_path: Path) -> None:
    folder = runs.start(runs.demo("--step_seconds", "0.07"))
    wait_until((tmp_path / "out/luca-000002-state/random_states_0.pkl").exists, 15, "a state is saved")
    os.kill(keeper_pid(folder), signal.SIGKILL)
    crashed = until_ended(folder)
    assert crashed.ended is not None and crashed.open
    assert (crashed.ended.outcome, crashed.ended.exit_code) == (Outcome.CRASHED, None)
    assert "keeper died" in crashed.ended.reason

    request = control.Start(checkpoint=str(tmp_path / "out/luca-000001-state"), generation=2)
    started = control.ask(folder, request, timeout=30)
    assert (started.generation, started.ended) == (2, None)
    until_state(folder, lambda s: s.supervisor != crashed.supervisor, what="the new keeper's supervisor")
    with pytest.raises(RefusedError, match="generation 2 was launched already"):
        control.ask(folder, request, timeout=30)
    done = until_closed(folder)
    assert done.ended is not None and done.ended.outcome is Outcome.FINISHED
    assert done.resumed_from is not None and done.resumed_from.epoch == 1
    assert not folder.output_path(3).exists()
    (progress,) = folder.read_progress()
    assert (progress.step, progress.steps_done) == (20, 15)


def test_killed_keeper_leaves_no_member_though_they_ignore_the_hangup(runs: Runs) -> None:
    deaf = "import signal,time\nfor s in (1, 15): signal.signal(s, 1)\nprint('deaf')\ntime.sleep(600)"
    folder = runs.start([PYTHON, "-u", "-c", deaf])
    until_output(folder, "deaf")
    os.kill(keeper_pid(folder), signal.SIGKILL)
    crashed = until_ended(folder)
    assert crashed.ended is not None and crashed.ended.outcome is Outcome.CRASHED
    stop(folder)
    until_state(folder, lambda s: not s.open, what="given up without a keeper")


def test_sigterm_to_the_keeper_is_the_users_stop(runs: Runs) -> None:
    folder = runs.start(TICKING)
    until_output(folder, "tick 1")
    os.kill(keeper_pid(folder), signal.SIGTERM)
    found = until_closed(folder)
    assert found.ended is not None and found.ended.outcome is Outcome.STOPPED_BY_USER


@pytest.mark.parametrize("signum", [signal.SIGHUP, signal.SIGINT])
def test_hangup_and_interrupt_do_not_reach_the_keeper(runs: Runs, signum: int) -> None:
    folder = runs.start(TICKING)
    until_output(folder, "tick 1")
    os.kill(keeper_pid(folder), signum)
    assert until_output(folder, "tick 20")
    assert state(folder).ended is None
    stop(folder)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_training_stopped_by_hand_stays_stopped(runs: Runs, signum: int) -> None:
    folder = runs.start([PYTHON, "-u", "-c", "import time\nprint('up')\ntime.sleep(600)"])
    until_output(folder, "up")
    training = state(folder).training
    assert training is not None
    os.kill(training.pid, signum)
    found = until_closed(folder)
    assert found.ended is not None
    assert (found.ended.outcome, found.ended.signal) == (Outcome.STOPPED_BY_USER, signum)


def test_crash_stays_open_for_await_restart_and_a_receivers_probe_prolongs_it(runs: Runs) -> None:
    folder = runs.start(["/bin/sh", "-c", "kill -9 $$"], limits=Limits(await_restart=0.8))
    crashed = until_ended(folder)
    assert crashed.ended is not None and crashed.ended.signal == signal.SIGKILL
    until = time.monotonic() + 1.4
    while time.monotonic() < until:
        assert control.ask(folder, control.Probe(by="receiver")).open
        time.sleep(0.2)
    closed = until_closed(folder)
    assert closed.ended == crashed.ended


def test_receivers_stop_leaves_the_run_open(runs: Runs) -> None:
    folder = runs.start(TICKING)
    until_output(folder, "tick 1")
    assert stop(folder, by="receiver").stopping_since is not None
    found = until_ended(folder)
    assert found.ended is not None and found.open
    assert found.ended.outcome is Outcome.STOPPED_FOR_RESTART
    stop(folder, by="receiver", final=True)
    assert until_closed(folder).ended == found.ended


def test_launch_under_a_live_name_is_refused_and_nothing_touched(runs: Runs) -> None:
    folder = runs.start(TICKING)
    with pytest.raises(ConfigurationError, match=r"run 'luca' is live.*trainwarden stop luca"):
        runs.start(["/bin/true"])
    assert state(folder).ended is None
    stop(folder)


def test_second_keeper_of_a_run_is_refused(runs: Runs) -> None:
    folder = runs.start(TICKING)
    with pytest.raises(BlockingIOError), detach.lock(folder.path / KEEPER_LOCK):
        pass
    stop(folder)


def test_name_is_used_again_and_the_former_runs_files_are_kept(runs: Runs) -> None:
    first = until_closed(runs.start(["/bin/sh", "-c", "echo first; exit 0"]))
    folder = RunFolder("luca")
    folder.ledger_path.write_text("{}\n")
    wait_until(lambda: not is_attended(folder), 5, "the first keeper is gone")
    second = until_closed(runs.start(["/bin/sh", "-c", "echo second"]))
    assert first.run_id != second.run_id
    kept = folder.path / "archive" / first.run_id
    assert "first" in (kept / "output.1.log").read_text()
    assert {"ledger.jsonl", "run.json", "state.json", "keeper.json", "progress"} <= {p.name for p in kept.iterdir()}
    assert "second" in output(folder) and not folder.ledger_path.exists()


def test_full_disk_loses_output_and_does_not_block_the_training(runs: Runs, tmp_path: Path) -> None:
    # A file size limit is the full disk that a test can have; it is inherited by the keeper, and the training lifts it.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    script = "import sys\nfor n in range(4000): print('line', n, '.' * 100)\nopen('done','w').write('all')"
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, before[1]))
    try:
        folder = runs.start([PYTHON, "-c", script])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    found = until_closed(folder)
    assert found.ended is not None and found.ended.outcome is Outcome.FINISHED
    assert (tmp_path / "done").read_text() == "all"
    assert folder.output_path(1).stat().st_size == 65536


def test_orphan_of_a_killed_launcher_is_a_member_until_it_is_cleared(runs: Runs) -> None:
    # As `accelerate launch` killed alone: its child trains on, here even deaf to the terminal's hang-up and SIGTERM.
    child = "import signal,time\nfor s in (1, 15): signal.signal(s, 1)\nprint('child up')\ntime.sleep(600)"
    launcher = f"import subprocess,sys\nsubprocess.run([sys.executable,'-u','-c',{child!r}])"
    folder = runs.start([PYTHON, "-c", launcher])
    until_output(folder, "child up")
    training = until_state(folder, lambda s: len(s.members) == 2, what="launcher and child").training
    assert training is not None
    os.kill(training.pid, signal.SIGKILL)
    orphaned = until_state(folder, lambda s: s.ended and len(s.members) == 1, what="an orphan")
    assert orphaned.ended is not None and orphaned.ended.outcome is Outcome.CRASHED
    orphan = orphaned.members[0]
    until_state(folder, lambda s: not living(s), what="the orphan is cleared")
    assert not identity.is_process(orphan.pid, orphan.start_time)
    stop(folder)


@pytest.mark.usefixtures("nothing_left")
def test_a_training_that_goes_on_without_its_launcher_is_let_train(runs: Runs) -> None:
    # In a session of its own the terminal's hang-up does not reach it.
    training = runs.demo("--step_seconds", "0.15")
    launcher = f"import subprocess\nsubprocess.run({training!r}, start_new_session=True)"
    folder = runs.start([PYTHON, "-c", launcher])
    until_output(folder, "epoch 2/4")
    launched = state(folder).training
    assert launched is not None
    os.kill(launched.pid, signal.SIGKILL)
    until_output(folder, "model saved.", seconds=30)
    done = until_ended(folder, seconds=30)
    assert done.ended is not None and done.ended.outcome is Outcome.CRASHED
    stop(folder)
    (progress,) = folder.read_progress()
    assert (progress.step, progress.steps_done) == (20, 20)


@pytest.mark.usefixtures("nothing_left")
def test_a_training_without_its_launcher_may_end_a_save_that_takes_longer_than_its_grace(
    runs: Runs, tmp_path: Path
) -> None:
    child = (
        "import time\nprint('saving checkpoint: luca-000002.safetensors')\nbegan = time.monotonic()\n"
        "while time.monotonic() - began < 8: pass\nopen('saved', 'w').write('whole')"
    )
    launcher = f"import subprocess,sys\nsubprocess.run([sys.executable,'-u','-c',{child!r}], start_new_session=True)"
    folder = runs.start([PYTHON, "-c", launcher], limits=structs.replace(QUICK, orphan_grace=3.0))
    until_output(folder, "saving checkpoint")
    launched = state(folder).training
    assert launched is not None
    os.kill(launched.pid, signal.SIGKILL)
    until_ended(folder, seconds=30)
    assert (tmp_path / "saved").read_text() == "whole"
    stop(folder)


def test_orphan_without_the_tag_in_another_session_is_still_cleared(runs: Runs) -> None:
    # It has shed environment, session and parent: only that the keeper adopted it tells.
    hidden = [PYTHON, "-c", "import os,time; os.setsid(); print('hidden', os.getpid(), flush=True); time.sleep(600)"]
    shed = f"import subprocess,os,time\nif os.fork() == 0:\n  subprocess.Popen({hidden}, env={{}}); os._exit(0)\n"
    folder = runs.start([PYTHON, "-c", shed + "time.sleep(600)"])
    pid = int(until_output(folder, "hidden").split("hidden")[1].split()[0])
    stop(folder)
    until_closed(folder)
    assert system.read_stat(pid) is None


def test_stop_terms_first_kills_the_deaf_and_leaves_nothing(runs: Runs, tmp_path: Path) -> None:
    record = (
        "import os,signal,sys,time\n"
        "def heard(n, f): open('heard-' + sys.argv[1], 'w').write(str(n))\n"
        "signal.signal(15, heard)\n"
        "if sys.argv[1] == 'parent':\n"
        "  if os.fork() == 0:\n    os.setsid(); sys.argv[1] = 'child'\n"
        "print(sys.argv[1] + ' up\\n', end='')\n"
        "while 1: time.sleep(1)"
    )
    folder = runs.start([PYTHON, "-u", "-c", record, "parent"])
    until_output(folder, "child up")
    until_output(folder, "parent up")
    stop(folder)
    found = until_closed(folder)
    assert found.ended is not None and found.ended.signal == signal.SIGKILL
    assert found.ended.outcome is Outcome.STOPPED_BY_USER
    assert [(tmp_path / f"heard-{who}").read_text() for who in ("parent", "child")] == ["15", "15"]
    assert living(found) == []


def test_a_run_started_inside_a_run_is_not_its_member(runs: Runs) -> None:
    inner = "from trainwarden.cli import main; main(['run', 'inner', '-d', '--', 'sleep', '600'])"
    outer = runs.start(
        [PYTHON, "-c", f"import time\ntry:\n  exec({inner!r})\nexcept SystemExit: pass\ntime.sleep(600)"]
    )
    within = RunFolder("inner")
    wait_until(within.state_path.exists, 15, "the inner run")
    stop(outer)
    until_closed(outer)
    assert state(within).ended is None
    assert keeper_pid(within) and identity.lives(state(within).training) is True  # type: ignore[arg-type]
    stop(within)


def test_python_modules_in_the_users_cwd_do_not_reach_keeper_or_supervisor(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "selectors.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    folder = runs.start(["/bin/sh", "-c", "echo trained"])
    until_closed(folder)
    assert "trained" in output(folder)
