"""How a generation's end is classified: only a crash may be followed by a restart."""

import signal

import pytest

from trainwarden.model import Outcome
from trainwarden.runs.ending import classify


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("seen_as", ["signal", "exit code", "named by the launcher"])
def test_a_signal_that_a_person_sends_is_a_stop_by_hand(number: signal.Signals, seen_as: str) -> None:
    ended = {
        "signal": classify(exit_code=None, signal=number, at=1.0),
        "exit code": classify(exit_code=128 + number, signal=None, at=1.0),
        "named by the launcher": classify(exit_code=1, signal=None, at=1.0, named_signal=number),
    }[seen_as]
    assert ended.outcome is Outcome.STOPPED_BY_USER
    assert number.name in ended.reason
    assert "by hand" in ended.reason


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGUSR1, 40])
@pytest.mark.parametrize("seen_as", ["signal", "exit code", "named by the launcher"])
def test_any_other_signal_is_a_crash(number: int, seen_as: str) -> None:
    ended = {
        "signal": classify(exit_code=None, signal=number, at=1.0),
        "exit code": classify(exit_code=128 + number, signal=None, at=1.0),
        "named by the launcher": classify(exit_code=1, signal=None, at=1.0, named_signal=number),
    }[seen_as]
    assert ended.outcome is Outcome.CRASHED


def test_exit_status_0_is_finished() -> None:
    ended = classify(exit_code=0, signal=None, at=7.0, named_signal=15)
    assert (ended.outcome, ended.at, ended.exit_code, ended.signal) == (Outcome.FINISHED, 7.0, 0, None)


@pytest.mark.parametrize("code", [1, 2, 127, 128, 255])
def test_a_status_other_than_0_is_a_crash_and_is_named(code: int) -> None:
    ended = classify(exit_code=code, signal=None, at=1.0)
    assert ended.outcome is Outcome.CRASHED
    assert f"status {code}" in ended.reason


@pytest.mark.parametrize(("by", "outcome"), [("user", "stopped_by_user"), ("receiver", "stopped_for_restart")])
@pytest.mark.parametrize(
    ("code", "number", "keeper_died"),
    [(None, 15, False), (None, 9, False), (1, None, False), (0, None, False), (None, None, True)],
)
def test_a_stop_that_was_asked_for_is_one_however_it_ended(
    by: str, outcome: str, code: int | None, number: int | None, keeper_died: bool
) -> None:
    ended = classify(exit_code=code, signal=number, at=1.0, stop_by=by, keeper_died=keeper_died)
    assert (ended.outcome.value, ended.exit_code, ended.signal) == (outcome, code, number)


def test_a_keeper_that_died_is_a_crash_of_unknown_status() -> None:
    ended = classify(exit_code=None, signal=None, at=1.0, keeper_died=True, named_signal=15)
    assert (ended.outcome, ended.exit_code, ended.signal) == (Outcome.CRASHED, None, None)
    assert "keeper" in ended.reason


def test_a_training_that_is_simply_gone_is_a_crash() -> None:
    assert classify(exit_code=None, signal=None, at=1.0).outcome is Outcome.CRASHED


def test_the_reaped_signal_counts_before_the_named_one() -> None:
    assert classify(exit_code=None, signal=9, at=1.0, named_signal=15).outcome is Outcome.CRASHED


@pytest.mark.parametrize("code", [0, 1, 130, 137, None])
@pytest.mark.parametrize("number", [None, 1, 9, 40])
def test_the_reason_is_one_sentence(code: int | None, number: int | None) -> None:
    reason = classify(exit_code=code, signal=number, at=1.0).reason
    assert reason.endswith(".")
    assert reason.count(". ") == 0


def test_a_sigkill_beside_a_kill_for_want_of_memory_was_one() -> None:
    ended = classify(exit_code=None, signal=signal.SIGKILL, at=1.0, oom_killed=True)
    assert (ended.outcome, ended.for_memory) == (Outcome.CRASHED, True)
    assert not classify(exit_code=None, signal=signal.SIGSEGV, at=1.0, oom_killed=True).for_memory
    assert not classify(exit_code=1, signal=None, at=1.0, oom_killed=True).for_memory
    assert not classify(exit_code=None, signal=signal.SIGKILL, at=1.0, stop_by="user", oom_killed=True).for_memory
