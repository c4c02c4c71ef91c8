import threading

import pytest

from tests.support.wait import wait_until
from trainwarden.deadline import Deadline, OverdueError


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
