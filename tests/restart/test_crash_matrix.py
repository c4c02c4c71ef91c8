"""At every stage of a restart something happens to the run, to the receiver, or to both at once.

What must come of it is always the same: one generation lives, or the run is over by its own or its user's will, or a
human is called. Never two generations at once, never one launched twice, never a start from zero.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.restart.killing import Killed, about_line, die
from tests.restart.world import World
from trainwarden.model import Outcome, Phase, RunState
from trainwarden.restart.desk import Desk
from trainwarden.restart.states import State

STAGES = ("accepted", "decided", "captured", "stopping", "died", "freed", "paused", "chosen", "launched", "recovered")
"""What the ledger gets of an undisturbed restart, in order."""
OVER = (Outcome.FINISHED, Outcome.STOPPED_BY_USER)


class Machine(World):
    """A world whose first generation hangs, and that judges every launch itself."""

    hangs = True

    def start(self, checkpoint: str, generation: int, remedy: str = "") -> RunState:
        assert self.state.ended is not None, "launched beside a living generation"
        assert self.state.ended.outcome not in OVER, "launched though it was over"
        assert Path(checkpoint).is_relative_to(self.checkpoints), "a start from zero"
        self.hangs = False
        return super().start(checkpoint, generation, remedy)

    def trains(self) -> None:
        """It takes steps, unless it hangs or is gone."""
        if self.state.ended is None and not self.hangs:
            self.set_progress(step=max(self.progress.step or 0, 400), phase=Phase.TRAINING)
            self.step(30)

    def dies(self) -> None:
        """Of a SIGKILL that nobody of ours has sent."""
        if self.state.ended is None:
            self.end(code=None, signal=9)

    def finishes(self) -> None:
        if self.state.ended is None:
            self.end(Outcome.FINISHED, code=0)

    def recovers(self) -> None:
        self.hangs = False
        self.trains()

    def is_stopped_by_hand(self) -> None:
        """By its user's verb, which closes the run whether it lives or waits for its next launch."""
        self.end(Outcome.STOPPED_BY_USER, code=None)
        self.set(stop_by="user")

    def alerts(self, desk: Desk) -> None:
        """What Alertmanager sends, again and again."""
        if self.state.ended is not None:
            self.alert(desk, "TrainwardenRunCrashed", generation=self.state.generation, firing=self.state.open)
        elif self.state.generation == 1:
            self.alert(desk, firing=self.hangs)


MEANWHILE: dict[str, Callable[[Machine], None]] = {
    "nothing": lambda _: None,
    "killed": Machine.dies,
    "finished": Machine.finishes,
    "recovered": Machine.recovers,
    "stopped by hand": Machine.is_stopped_by_hand,
}


@pytest.mark.parametrize("receiver_dies", [False, True], ids=["receiver lives", "receiver killed"])
@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_whatever_happens_at_whatever_stage_one_lives_or_somebody_knows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: str,
    stage: str,
    written: bool,
    receiver_dies: bool,
) -> None:
    world = Machine(tmp_path)
    for epoch, age in ((2, 9000), (4, 3600)):
        world.save(epoch, age=age)
    happened: list[int] = []

    def happen() -> None:
        happened.append(world.state.generation if world.state.ended is None else 0)
        MEANWHILE[meanwhile](world)
        if receiver_dies:
            die()

    about_line(monkeypatch, STAGES.index(stage) + 1, happen, written=written)
    desk = _night(world)
    assert happened, "the stage was reached"
    _judge(world, desk)
    if meanwhile == "nothing":
        assert world.launched == [("luca-000004-state", 2)]
    if meanwhile == "recovered" and STAGES.index(stage) <= STAGES.index("stopping"):
        assert (world.asked_to_stop, world.launched) == ([], []), "what trains again is let go"
    if meanwhile in ("finished", "stopped by hand") and happened != [0]:
        assert len(world.launched) == max(0, happened[0] - 1), "nothing is launched after the end that was wanted"


def _night(world: Machine) -> Desk:
    """The alerts come again as Alertmanager sends them, and a receiver that was killed comes back."""
    desk = world.desk()
    for _ in range(6):
        with suppress(Killed):
            world.alerts(desk)
            world.run(desk, 100, every=2)
            world.trains()
            world.run(desk, 4, every=2)
            continue
        desk = world.desk()
    return desk


def _judge(world: Machine, desk: Desk) -> None:
    generations = [generation for _, generation in world.launched]
    assert generations == list(range(2, 2 + len(generations))), "each launched once"
    assert all(name in ("luca-000002-state", "luca-000004-state") for name, _ in world.launched)
    ended = world.state.ended
    assert ended is None or ended.outcome in OVER or desk.history.needs_human is not None, desk.history
    if ended is None:
        assert world.state.stopping_since is None, "what lives is not about to be stopped"
        assert desk.history.state is State.WATCHING
    assert world.desk().history == desk.history, "the ledger tells what the receiver knows"
