"""What the supervisor concludes, with the time handed in."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from trainwarden.model import Limits, Outcome, RunSpec
from trainwarden.names import RUN_ID_ENVIRONMENT
from trainwarden.runs import identity
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise.kept import Exit, Kept
from trainwarden.supervise.stopping import StopProcedure
from trainwarden.supervise.watch import Now, RunWatch

LIMITS = Limits(term_grace=30, kill_grace=20, await_restart=900)
DEAF = "import signal,time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


@dataclass
class Watched:
    """A watch over a real process that no keeper keeps."""

    folder: RunFolder
    spec: RunSpec
    kept: Kept
    child: subprocess.Popen[str]

    def watch(self, monotonic: float = 100.0) -> RunWatch:
        return RunWatch(self.folder, self.spec, self.kept, at(monotonic))

    def record(self, **changes: object) -> None:
        self.kept = structs.replace(self.kept, **changes)
        self.folder.keeper_path.write_bytes(msgspec.json.encode(self.kept))

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()

    def exit(self, code: int | None, signum: int | None = None) -> None:
        self.kill()
        self.record(exit=Exit(code, signum, 5.0))


def at(monotonic: float) -> Now:
    return Now(1000 + monotonic, monotonic)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    folder = RunFolder("luca", tmp_path)
    folder.create()
    spec = RunSpec(
        name="luca", run_id=f"watch-{os.getpid()}", command=["/bin/true"], cwd="/", recipe="none", limits=LIMITS
    )
    environment = {**os.environ, RUN_ID_ENVIRONMENT: spec.run_id}
    child = subprocess.Popen([sys.executable, "-c", DEAF], env=environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    training = identity.identify(child.pid)
    assert training is not None
    kept = Kept(identity.Identity("b", 1, 1, 1), 1, training, ["/bin/true"], 1.0, None, None)
    kept = structs.replace(kept, keeper=structs.replace(training, pid=2**22 + 1))
    found = Watched(folder, spec, kept, child)
    found.record()
    yield found
    found.kill()


def test_member_that_outlives_sigkill_is_wedged_and_the_run_stays_open(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process in state D cannot be made: here the signals never arrive.
    monkeypatch.setattr(StopProcedure, "carry_on", lambda *_: None)
    watch = watched.watch()
    watch.stop(by="user", final=True, now=at(100))
    watch.look(at(149))
    assert not watch.state(at(149)).wedged
    watch.look(at(150))
    state = watch.state(at(150))
    assert (state.wedged, state.open, state.ended, len(state.members)) == (True, True, None, 1)
    watched.exit(None, signal.SIGKILL)
    watch.look(at(151))
    watch.look(at(152))
    state = watch.state(at(152))
    assert (state.wedged, state.open, state.stopping_since) == (False, False, None)
    assert state.ended is not None and state.ended.outcome is Outcome.STOPPED_BY_USER


def test_crash_is_open_for_await_restart_from_the_end_or_the_receivers_last_word(watched: Watched) -> None:
    watch = watched.watch()
    watched.exit(1)
    watch.look(at(200))
    watch.look(at(1099))
    assert not watch.closed
    watch.heard_receiver(at(1099))
    watch.look(at(1998))
    assert not watch.closed
    watch.look(at(1999))
    assert watch.closed and not watch.state(at(1999)).open


@pytest.mark.parametrize("code", [0, None])
def test_finish_and_stop_by_hand_close_at_once(watched: Watched, code: int | None) -> None:
    watch = watched.watch()
    watched.exit(code, None if code == 0 else signal.SIGTERM)
    watch.look(at(101))
    assert watch.closed


def test_users_stop_outranks_the_receivers(watched: Watched) -> None:
    watch = watched.watch()
    watch.stop(by="receiver", final=False, now=at(100))
    watch.stop(by="user", final=True, now=at(101))
    watch.stop(by="receiver", final=False, now=at(102))
    watched.exit(None, signal.SIGTERM)
    watch.look(at(103))
    assert watch.ended is not None and watch.ended.outcome is Outcome.STOPPED_BY_USER


def test_stop_of_a_dead_generation_closes_it_and_leaves_its_end(watched: Watched) -> None:
    watch = watched.watch()
    watched.exit(3)
    watch.look(at(101))
    watch.stop(by="user", final=False, now=at(102))
    watch.look(at(103))
    watch.look(at(104))
    assert watch.closed and watch.ended is not None
    assert (watch.ended.outcome, watch.ended.exit_code) == (Outcome.CRASHED, 3)


def test_users_stop_in_the_pause_before_a_restart_is_kept(watched: Watched) -> None:
    watch = watched.watch()
    watch.stop(by="receiver", final=False, now=at(100))
    watched.exit(None, signal.SIGTERM)
    watch.look(at(101))
    watch.stop(by="user", final=False, now=at(102))
    watch.look(at(103))
    state = watch.state(at(103))
    assert (state.open, state.stop_by) == (False, "user")
    assert state.ended is not None and state.ended.outcome is Outcome.STOPPED_FOR_RESTART


def test_new_supervisor_finds_the_end_the_stop_and_the_counters_again(watched: Watched) -> None:
    first = watched.watch()
    first.look(at(100))
    first.stop(by="receiver", final=False, now=at(101))
    left = structs.replace(first.state(at(101)), cpu_seconds=1e6, io_bytes=10**15)
    watched.folder.write_state(left)
    second = watched.watch(monotonic=500)
    second.look(at(501))
    state = second.state(at(501))
    assert (state.stopping_since, state.stop_by) == (left.stopping_since, "receiver")
    assert (state.cpu_seconds, state.io_bytes) == (1e6, 10**15), "counters do not go back"
    assert watched.child.poll() is None, "the grace begins anew: SIGKILL is never first"


def test_state_of_another_run_or_a_damaged_one_is_not_taken_over(watched: Watched) -> None:
    watched.folder.write_state(structs.replace(watched.watch().state(at(100)), run_id="another", cpu_seconds=1e6))
    assert watched.watch().state(at(100)).cpu_seconds < 1e6
    watched.folder.state_path.write_bytes(b"{half")
    assert watched.watch().state(at(100)).generation == 1


def test_damaged_or_half_written_record_of_the_keeper_is_waited_for(watched: Watched) -> None:
    watch = watched.watch()
    watched.folder.keeper_path.write_bytes(b"{half")
    watch.look(at(101))
    assert watch.ended is None


def test_launch_that_came_late_is_taken_up(watched: Watched) -> None:
    watch = watched.watch()
    watched.record(generation=2)
    watch.look(at(101))
    assert watch.state(at(101)).generation == 2


def test_keepers_death_is_a_crash_once_nobody_is_left(watched: Watched) -> None:
    watch = watched.watch()
    watch.keeper_lives = False
    watch.look(at(101))
    assert watch.ended is None and watch.state(at(101)).stopping_since is not None
    watched.kill()
    watch.look(at(102))
    assert watch.ended is not None
    assert (watch.ended.outcome, watch.ended.exit_code, watch.ended.signal) == (Outcome.CRASHED, None, None)
