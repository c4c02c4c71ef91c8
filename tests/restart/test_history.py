"""What the ledger adds up to: replayed or lived through, it is the same."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.restart.world import World
from trainwarden.model import Budget, Checkpoint, Phase, Verdict
from trainwarden.restart import events
from trainwarden.restart.facts import Facts
from trainwarden.restart.history import History, replay
from trainwarden.restart.states import CallReason, GiveUpReason, HoldReason, RestartReason, State

CHECKPOINT = Checkpoint(path="/c/x-000004-state", epoch=4, modified_at=1.0, size_bytes=1, verdict=Verdict.VALID)
MONO = st.floats(0, 1e6)
ONE_OF_EACH = (
    events.Accepted(generation=1, alert="TrainwardenRunHung", run_id="r"),
    events.Resolved(run_id="r"),
    events.Held(reason=HoldReason.PHASE, passing=True, run_id="r"),
    events.Held(reason=HoldReason.ALIVE, passing=False, run_id="r"),
    events.Decided(reason=RestartReason.HUNG, facts=Facts(), run_id="r"),
    events.Stopping(run_id="r"),
    events.Died(run_id="r"),
    events.Freed(how="", run_id="r"),
    events.Paused(run_id="r"),
    events.Chosen(generation=2, checkpoint=CHECKPOINT, run_id="r"),
    events.Launched(generation=2, reason=RestartReason.HUNG, checkpoint="/c", run_id="r"),
    events.Recovered(generation=2, new_steps=20, steps_lost=7, seconds_lost=1.0, run_id="r"),
    events.Called(reason=CallReason.GPU_MEMORY, run_id="r"),
    events.GaveUp(reason=GiveUpReason.WEDGED, detail="", run_id="r"),
    events.Closed(run_id="r"),
)


def test_a_replay_is_what_was_lived_through(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.save(4)
    desk = world.desk()
    for seconds in (0, 3, 20, 60, 20):
        world.alert(desk)
        world.run(desk, seconds)
        assert world.desk().history == desk.history
    world.set_progress(phase=Phase.TRAINING, step=400)
    world.step(25)
    world.run(desk, 2)
    assert world.desk().history == desk.history
    assert desk.history.totals.recoveries == 1


@given(st.lists(st.sampled_from(ONE_OF_EACH), max_size=25))
def test_events_in_any_order_make_a_history(lines: list[events.AnyEvent]) -> None:
    history = replay(lines, "r")
    assert history.state in State
    assert history.totals.recoveries == sum(isinstance(line, events.Recovered) for line in lines)
    assert sum(history.totals.restarts.values()) == sum(isinstance(line, events.Launched) for line in lines)


def test_a_name_used_again_begins_anew_but_its_counters_go_on() -> None:
    history = replay(ONE_OF_EACH, "another run")
    assert (history.state, history.case, history.launches, history.gave_up) == (State.WATCHING, None, (), None)
    assert (history.totals.recoveries, history.totals.steps_lost) == (1, 7)
    assert history.totals.restarts == {RestartReason.HUNG: 1}


def test_the_budget_that_is_left() -> None:
    launched = [
        events.Accepted(generation=1, alert="A", run_id="r"),
        events.Chosen(generation=2, checkpoint=CHECKPOINT, run_id="r"),
        events.Launched(generation=2, reason=RestartReason.HUNG, checkpoint="/c", run_id="r", mono=100.0),
    ]
    history, budget = replay(launched, "r"), Budget()
    newer = Checkpoint(path="/c/y", modified_at=2.0, size_bytes=1, verdict=Verdict.VALID)
    assert history.budget_left(budget, CHECKPOINT, 200.0) == 2
    assert history.budget_left(budget, newer, 200.0) == 3
    assert History(run_id="r").budget_left(budget, None, 0.0) == 3
    assert history.budget_left(Budget(per_window=1), newer, 200.0) == 0
