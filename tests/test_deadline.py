import threading
import time

import pytest

from tests.support.wait import wait_until
from trainwarden.deadline import Deadline, OverdueError, Rounds


def test_a_reading_in_time_is_handed_on() -> None:
    assert Deadline("the driver", 20.0).run(lambda: 7) == 7


def test_what_the_reading_raises_is_handed_on() -> None:
    with pytest.raises(ZeroDivisionError):
        Deadline("the driver", 20.0).run(lambda: 1 // 0)


def test_a_reading_that_hangs_is_overdue_until_it_comes_back_and_nothing_else_is_asked_meanwhile() -> None:
    deadline: Deadline[int] = Deadline("the driver", 0.05)
    release = threading.Event()

    with pytest.raises(OverdueError, match=r"^the driver has not answered within 0.05 s; still waiting$"):
        deadline.run(lambda: int(release.wait(20)))
    with pytest.raises(OverdueError):
        deadline.run(lambda: pytest.fail("asked while the first still hangs"))

    def read_again() -> int | None:
        try:
            return deadline.run(lambda: 2)
        except OverdueError:
            return None

    release.set()
    wait_until(lambda: read_again() == 2, 20, "a reading after the one that hung")


def test_a_round_reads_everything_and_hands_on_what_was_raised() -> None:
    said = Rounds[str, int](each=20.0, whole=20.0).read({"a": lambda: 1, "b": lambda: 1 // 0, "c": lambda: 3})
    assert (said["a"], type(said["b"]), said["c"]) == (1, ZeroDivisionError, 3)


def test_a_round_goes_on_without_the_one_that_hangs_and_hears_it_again_when_it_comes_back() -> None:
    rounds = Rounds[str, int](each=0.1, whole=20.0)
    release = threading.Event()
    readings = {"a": lambda: 1, "b": lambda: int(release.wait(20)), "c": lambda: 3}

    said = rounds.read(readings)
    assert (said["a"], type(said["b"]), said["c"]) == (1, OverdueError, 3)
    assert rounds.stuck == {"b"}
    passed_over = rounds.read({"b": lambda: pytest.fail("asked while it still hangs"), "c": lambda: 4})
    assert (type(passed_over["b"]), passed_over["c"]) == (OverdueError, 4)

    release.set()
    wait_until(lambda: not rounds.stuck, 20, "the call that hung to come back")
    assert rounds.read(readings) == {"a": 1, "b": 1, "c": 3}


def test_a_round_in_which_everything_hangs_ends_in_time_and_the_next_waits_for_nothing() -> None:
    rounds = Rounds[int, bool](each=0.05, whole=0.5)
    release = threading.Event()
    hanging = dict.fromkeys(range(8), lambda: release.wait(20))
    started = time.monotonic()
    said = rounds.read(hanging)
    assert all(isinstance(answer, OverdueError) for answer in said.values())
    assert time.monotonic() - started < 10
    assert len(rounds.stuck) == 8, "a thread each"
    threads = threading.active_count()
    again = time.monotonic()
    assert all(isinstance(answer, OverdueError) for answer in rounds.read(hanging).values())
    assert time.monotonic() - again < 0.5
    assert threading.active_count() == threads, "nothing is asked anew"
    release.set()
    wait_until(lambda: not rounds.stuck, 20, "the calls that hung to come back")


def test_what_answers_does_so_in_the_very_round_in_which_all_before_it_begin_to_hang() -> None:
    rounds = Rounds[int, int](each=0.05, whole=5.0)
    release = threading.Event()
    hanging = dict.fromkeys(range(8), lambda: int(release.wait(20)))
    assert rounds.read({**hanging, 8: lambda: 8}, seconds=1.0)[8] == 8
    release.set()


def test_a_round_that_is_given_less_time_ends_earlier() -> None:
    rounds = Rounds[str, bool](each=20.0, whole=20.0)
    release = threading.Event()
    started = time.monotonic()
    assert isinstance(rounds.read({"a": lambda: release.wait(20)}, seconds=0.05)["a"], OverdueError)
    assert time.monotonic() - started < 10
    release.set()


def test_readings_begin_beside_each_other_and_are_waited_for_later() -> None:
    first, second = threading.Event(), threading.Event()

    def meet(mine: threading.Event, other: threading.Event) -> bool:
        mine.set()
        return other.wait(20)

    asked = [
        Deadline[bool]("one", 20.0).begin(lambda: meet(first, second)),
        Deadline[bool]("two", 20.0).begin(lambda: meet(second, first)),
    ]
    assert [one.result() for one in asked] == [True, True]
    took = asked[0].took
    assert 0 < took < 20
    assert asked[0].took == took, "the clock stopped when it came back"
