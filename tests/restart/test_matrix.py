"""By the shipped rules and the receiver the innocent are left alone, and the guilty are restarted or a human is called.

A case is a folder of ``tests/cases/restart``; see the README there.
"""

from pathlib import Path

import pytest

from tests.restart import cases, enacted
from tests.restart.cases import Case
from tests.restart.enacted import Enacted, Webhook
from trainwarden.restart.states import State
from trainwarden.stack.tools import Tools

ASKED_FOR = 180
"""Seconds for which the false alerts stand."""
JUST_BEFORE = 4
"""Seconds: of the two readings of a look, one then lies in either scene."""


@pytest.mark.parametrize("name", cases.names("innocent"))
def test_the_innocent_are_left_alone(name: str, tools: Tools, tmp_path: Path) -> None:
    case = cases.load("innocent", name)
    world = enacted.enact(case, tmp_path, tools.promtool)
    assert (world.asked_to_stop, world.launched) == ([], [])
    assert (world.alerts(), world.said()) == (case.expected.fires, case.expected.receiver)


@pytest.mark.parametrize("name", cases.names("innocent"))
def test_not_even_a_false_alert_harms_them(name: str, tmp_path: Path) -> None:
    case = cases.load("innocent", name)
    world = Enacted(tmp_path, case, [], {})
    world.live(false_alerts(case))
    assert (world.asked_to_stop, world.launched) == ([], [])


def false_alerts(case: Case) -> list[Webhook]:
    """In the middle of every scene and just before its end, unless only the patience of the rules protects it."""
    posts = []
    scenes = case.timeline(())
    for (at, scene), (_, following) in zip(scenes, [*scenes[1:], scenes[-1]], strict=True):
        length = min(scene.minutes, case.minutes - at / 60) * 60
        name = "TrainwardenRunHung" if scene.phase.live else "TrainwardenRunCrashed"
        if not scene.looks_dead:
            posts += _stands(name, at + length / 2)
        if not scene.looks_dead and not following.looks_dead:
            posts += _stands(name, at + length - JUST_BEFORE)
    return sorted(posts)


def _stands(name: str, since: float) -> list[Webhook]:
    return [Webhook(since, name, 1, True), Webhook(since + ASKED_FOR, name, 1, False)]


@pytest.mark.parametrize("name", cases.names("guilty"))
def test_the_guilty_are_restarted_or_a_human_is_called(name: str, tools: Tools, tmp_path: Path) -> None:
    case = cases.load("guilty", name)
    world = enacted.enact(case, tmp_path, tools.promtool)
    expected = case.expected
    assert world.said() == expected.receiver
    assert set(world.restarting()) <= set(expected.fires) <= set(world.alerts())
    generations = [generation for _, generation in world.launched]
    assert generations == list(range(2, 2 + len(generations))), "each launched once"
    history = world.the_desk.history
    healthy = world.state.ended is None and history.state is State.WATCHING and bool(world.launched)
    assert healthy or history.needs_human is not None or "TrainwardenRunStalled" in world.alerts()
