"""The stop's order and its end, with members that no test could have (state D) handed in."""

import signal

import pytest

from trainwarden.model import Limits
from trainwarden.supervise.stopping import StopProcedure
from trainwarden.system import ProcessStat

LIMITS = Limits(term_grace=30, kill_grace=20)


def process(pid: int, state: str = "S", start_time: int = 7) -> ProcessStat:
    return ProcessStat(pid, state, 1, pid, 0.0, 1, start_time, 0)


class Sent(list[tuple[int, int]]):
    """Records what is sent."""

    def __call__(self, pid: int, start_time: int, signum: int) -> bool:
        self.append((pid, signum))
        return True


@pytest.fixture
def sent() -> Sent:
    return Sent()


def test_every_member_is_asked_once_and_only_once_before_the_grace_is_over(sent: Sent) -> None:
    stop = StopProcedure(LIMITS, began=100)
    for now in (100, 101, 129.9):
        stop.carry_on([process(1), process(2)], now, sent)
    assert sent == [(1, signal.SIGTERM), (2, signal.SIGTERM)]


def test_who_outlives_the_grace_is_killed(sent: Sent) -> None:
    stop = StopProcedure(LIMITS, began=100)
    stop.carry_on([process(1), process(2)], 100, sent)
    stop.carry_on([process(2)], 130, sent)
    assert sent[2:] == [(2, signal.SIGKILL)]


def test_member_found_after_the_grace_is_asked_first_all_the_same(sent: Sent) -> None:
    stop = StopProcedure(LIMITS, began=100)
    stop.carry_on([process(9)], 140, sent)
    stop.carry_on([process(9)], 140.2, sent)
    assert sent == [(9, signal.SIGTERM), (9, signal.SIGKILL)]


def test_pid_that_was_given_away_is_another_member(sent: Sent) -> None:
    stop = StopProcedure(LIMITS, began=100)
    stop.carry_on([process(1, start_time=7)], 100, sent)
    stop.carry_on([process(1, start_time=8)], 140, sent)
    assert sent == [(1, signal.SIGTERM), (1, signal.SIGTERM)]


def test_stopped_member_is_continued_so_that_it_can_act_on_sigterm(sent: Sent) -> None:
    StopProcedure(LIMITS, began=100).carry_on([process(1, "T")], 100, sent)
    assert sent == [(1, signal.SIGTERM), (1, signal.SIGCONT)]


def test_member_in_state_d_after_sigkill_is_wedged_until_it_is_gone(sent: Sent) -> None:
    stop = StopProcedure(LIMITS, began=100)
    stuck = [process(1, "D")]
    stop.carry_on(stuck, 100, sent)
    assert not stop.wedged(stuck, 149.9)
    assert stop.wedged(stuck, 150)
    assert not stop.wedged([], 151)


def test_member_of_another_user_is_left_to_the_verdict(sent: Sent) -> None:
    def forbidden(pid: int, start_time: int, signum: int) -> bool:
        raise PermissionError

    stop = StopProcedure(LIMITS, began=100)
    stop.carry_on([process(1)], 100, forbidden)
    assert stop.wedged([process(1)], 150)
