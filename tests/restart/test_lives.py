"""Hundreds of lives of one run, made up by hypothesis: whatever happens when, the first law holds.

A life is any sequence of steps, saves, hangs, deaths, alerts (late, doubled, resolved), users, silent supervisors and
exporters, damaged checkpoints, and receivers that are killed between any two moments or about a line of the ledger.
"""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.restart.world import World, exporter_reading
from trainwarden.model import Outcome, Phase, RunState
from trainwarden.restart.events import AnyEvent
from trainwarden.restart.ledger import Ledger
from trainwarden.restart.states import State

ALERTS = st.sampled_from(["TrainwardenRunHung", "TrainwardenRunCrashed"])
RARELY = st.integers(0, 9).map(lambda number: number == 9)
STEP_LIMIT = 3.0


class Killed(BaseException):
    """SIGKILL: nothing catches it."""


class Watched(World):
    """A world that knows when its training last moved, and judges what the receiver does to it."""

    moved_at = 0.0
    user_stopped = False

    def step(self, count: int) -> None:
        super().step(count)
        self.moved_at = self.mono

    def stop(self, *, final: bool, reason: str) -> None:
        dead, still = self.state.ended is not None, self.mono - self.moved_at
        assert dead or still >= STEP_LIMIT, f"a run that stepped {still:g} s ago is stopped"
        assert dead or not self.user_stopped
        super().stop(final=final, reason=reason)

    def start(self, checkpoint: str, generation: int, remedy: str = "") -> RunState:
        assert self.state.ended is not None, "launched beside a living generation"
        assert not self.user_stopped, "launched though its user had stopped it"
        assert self.state.ended.outcome is not Outcome.FINISHED
        assert (Path(checkpoint) / "random_states_0.pkl").stat().st_size > 0, "launched from a damaged checkpoint"
        self.moved_at = self.mono
        return super().start(checkpoint, generation, remedy)


def only_if(holds: Callable[[Any], bool]) -> Callable[[Any], Any]:
    """Where it does not hold nothing happens. What is drawn must not depend on it: the world has real files."""

    def decorate(happens: Any) -> Any:
        @functools.wraps(happens)
        def maybe(self: Any, *arguments: Any, **named: Any) -> None:
            if holds(self):
                happens(self, *arguments, **named)

        return maybe

    return decorate


class Lives(RuleBasedStateMachine):
    """What may happen to a run and to its receiver."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world = Watched(Path(self.folder.name))
        self.world.moved_at = self.world.mono
        self.world.save(2, age=9000)
        self.epoch = 2
        self.desk = self.world.desk()
        self.die_at: int | None = None

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self._settle()
            self.folder.cleanup()

    @property
    def lives(self) -> bool:
        return self.world.state.ended is None and self.world.state.stopping_since is None

    # --- the training ---------------------------------------------------------------------------------------
    @rule(count=st.integers(1, 30))
    @only_if(lambda self: self.lives)
    def takes_steps(self, count: int) -> None:
        self.world.set_progress(phase=Phase.TRAINING)
        self.world.step(count)

    @rule()
    @only_if(lambda self: self.lives)
    def hangs(self) -> None:
        self.world.exporter = exporter_reading(0.0)

    @rule()
    @only_if(lambda self: self.lives)
    def saves(self) -> None:
        self.epoch += 1
        self.world.save(self.epoch, age=0.0)

    @rule(chance=RARELY)
    def newest_checkpoint_is_damaged(self, chance: bool) -> None:
        if not chance:
            return
        newest = max(self.world.checkpoints.glob("luca-*-state"))
        (newest / "random_states_0.pkl").write_bytes(b"")

    @rule(code=st.sampled_from([1, 137]), words=st.sampled_from(["", "RuntimeError: a", "RuntimeError: b"]))
    @only_if(lambda self: self.lives)
    def dies(self, code: int, words: str) -> None:
        self.world.end(code=code, words=words)

    @rule(chance=RARELY)
    @only_if(lambda self: self.lives)
    def finishes(self, chance: bool) -> None:
        if chance:
            self.world.end(Outcome.FINISHED, code=0)

    @rule(chance=RARELY)
    @only_if(lambda self: self.world.state.open)
    def is_stopped_by_its_user(self, chance: bool) -> None:
        if not chance:
            return
        self.world.user_stopped = True
        self.world.end(Outcome.STOPPED_BY_USER, code=None)
        self.world.set(stop_by="user")

    # --- everybody else -------------------------------------------------------------------------------------
    @rule(name=ALERTS, firing=st.booleans(), age=st.integers(0, 1))
    def an_alert_arrives(self, name: str, firing: bool, age: int) -> None:
        generation = max(1, self.world.state.generation - age)
        self._guarded(lambda: self.world.alert(self.desk, name, generation=generation, firing=firing))

    @rule()
    @only_if(lambda self: self.lives)
    def hangs_until_prometheus_says_so(self) -> None:
        self.world.exporter, self.world.answers = exporter_reading(0.0), True
        self.world.pass_time(60)
        self._alert("TrainwardenRunHung")

    @rule(every=st.integers(1, 3), ratio=st.sampled_from([0.0, 0.99]))
    @only_if(lambda self: self.lives)
    def trains_though_prometheus_says_that_it_hangs(self, every: int, ratio: float) -> None:
        self._guarded(lambda: self.world.alert(self.desk, generation=self.world.state.generation))
        for _ in range(20):
            if self.lives:
                self.takes_steps(1)
                self.world.exporter = exporter_reading(ratio)
            self._guarded(lambda: self.world.run(self.desk, every))

    @rule()
    @only_if(lambda self: self.world.state.ended is not None)
    def prometheus_says_that_it_died(self) -> None:
        self.world.answers = True
        self._alert("TrainwardenRunCrashed")

    def _alert(self, name: str) -> None:
        self._guarded(lambda: self.world.alert(self.desk, name, generation=self.world.state.generation))
        self._guarded(lambda: self.world.run(self.desk, 30))

    @rule(count=st.integers(20, 40))
    @only_if(lambda self: self.desk.history.state is State.PROBATION and self.lives)
    def trains_on(self, count: int) -> None:
        self.world.set_progress(phase=Phase.TRAINING, step=400)
        self.world.step(count)

    @rule(seconds=st.sampled_from([1, 3, 9, 30, 100]))
    def time_passes(self, seconds: int) -> None:
        self._guarded(lambda: self.world.run(self.desk, seconds, every=max(1, seconds // 10)))

    @rule(answers=st.booleans())
    def the_supervisor_answers_or_not(self, answers: bool) -> None:
        self.world.answers = answers

    @rule(ratio=st.sampled_from([None, 0.0, 0.5]))
    def the_exporter_says(self, ratio: float | None) -> None:
        self.world.exporter = None if ratio is None else exporter_reading(ratio)

    @rule(seconds=st.sampled_from([20, 600, 9000]))
    def the_machine_sleeps(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule()
    def the_receiver_is_killed(self) -> None:
        self.desk = self.world.desk()

    @rule(line=st.integers(1, 4), written=st.booleans())
    def the_receiver_will_be_killed_at_a_line(self, line: int, written: bool) -> None:
        self.die_at = line if written else -line

    def _guarded(self, work: Any) -> None:
        """Work as the receiver, which may be killed before (negative) or after a line reaches the disk."""
        append, left = Ledger.append, self.die_at

        def dying(ledger: Ledger, event: AnyEvent) -> None:
            nonlocal left
            left = None if left is None else left - (1 if left > 0 else -1)
            if left == 0 and (self.die_at or 0) < 0:
                raise Killed
            append(ledger, event)
            if left == 0:
                raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Ledger, "append", dying)
            try:
                work()
            except Killed:
                self.die_at, self.desk = None, self.world.desk()
                return
        self.die_at = left

    # --- what always holds ----------------------------------------------------------------------------------
    @invariant()
    def every_generation_is_launched_once_and_in_order(self) -> None:
        if hasattr(self, "world"):
            launched = [generation for _, generation in self.world.launched]
            assert launched == list(range(2, 2 + len(launched)))

    @invariant()
    def the_ledger_tells_what_the_receiver_knows(self) -> None:
        if hasattr(self, "desk"):
            assert self.world.desk().history == self.desk.history

    def _settle(self) -> None:
        """When everything answers again, a dead run that nobody stopped lives again, or a human is called."""
        self.world.answers, self.die_at = True, None
        self.world.exporter = exporter_reading(0.0)
        for _ in range(4):
            if self.world.state.ended is not None and self.world.state.open:
                self.world.alert(self.desk, "TrainwardenRunCrashed", generation=self.world.state.generation)
            self.world.run(self.desk, 700, every=7)
        state, history = self.world.state, self.desk.history
        over = state.ended is not None and state.ended.outcome in (Outcome.FINISHED, Outcome.STOPPED_BY_USER)
        assert state.ended is None or over or history.needs_human is not None, history


def prove(examples: int) -> None:
    case: Any = Lives.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    case("runTest").runTest()


def test_whatever_happens_the_first_law_holds() -> None:
    prove(25)


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_whatever_happens_in_hundreds_of_lives_the_first_law_holds() -> None:
    prove(300)


def test_the_states_of_a_life_are_reached() -> None:
    """Else the proof above would prove little: one life that goes through a whole restart."""
    lives = Lives()
    lives.begin()
    lives.hangs()
    lives.time_passes(30)
    lives.an_alert_arrives("TrainwardenRunHung", firing=True, age=0)
    lives.time_passes(100)
    assert lives.desk.history.state is State.PROBATION
    lives.takes_steps(30)
    lives.time_passes(3)
    lives.teardown()
