"""Does a training without its launcher go on? Told by its steps, and by its work where none are due."""

import pytest

from trainwarden.model import Phase, Progress
from trainwarden.runs.usage import Usage
from trainwarden.supervise.orphan import Orphan

NOTHING = Usage()


def told(steps: int, median: float | None = None, phase: Phase = Phase.TRAINING) -> Progress:
    return Progress(
        writer="output", generation=1, phase=phase, phase_since=0.0, beat_at=0.0, steps_done=steps,
        median_step_seconds=median,
    )  # fmt: skip


@pytest.fixture
def orphan() -> Orphan:
    return Orphan(10.0, 3600.0, told(5), NOTHING, now=100.0)


def test_it_goes_on_for_its_grace_and_then_only_by_steps(orphan: Orphan) -> None:
    assert orphan.goes_on(told(5), NOTHING, True, 109.0)
    assert orphan.goes_on(told(6), NOTHING, True, 109.5)
    assert orphan.goes_on(told(6), NOTHING, True, 119.0)
    assert not orphan.goes_on(told(6), NOTHING, True, 119.6)


def test_a_slow_training_has_as_long_as_its_steps_take(orphan: Orphan) -> None:
    assert orphan.goes_on(told(5, 30.0), NOTHING, True, 219.0)
    assert not orphan.goes_on(told(5, 30.0), NOTHING, True, 221.0)


def test_what_its_last_process_printed_is_waited_for(orphan: Orphan) -> None:
    assert orphan.goes_on(told(5), NOTHING, True, 104.0)
    assert orphan.goes_on(told(5), NOTHING, False, 104.9)
    assert not orphan.goes_on(told(5), NOTHING, False, 105.1)


def test_nothing_goes_on_where_nobody_is_left(orphan: Orphan) -> None:
    assert not orphan.goes_on(told(5), NOTHING, False, 100.0)


@pytest.mark.parametrize("a_second", [Usage(cpu_seconds=0.9), Usage(io_bytes=10**8)], ids=["computes", "writes"])
@pytest.mark.parametrize("phase", [Phase.CACHING, Phase.EVALUATING, Phase.CHECKPOINTING])
def test_a_long_save_is_work_for_as_long_as_its_processes_do_some(
    phase: Phase, a_second: Usage, orphan: Orphan
) -> None:
    def goes_on(now: float) -> bool:
        """It works for five minutes, and is looked at five times a second."""
        worked = min(now, 300.0)
        used = Usage(cpu_seconds=a_second.cpu_seconds * worked, io_bytes=int(a_second.io_bytes * worked))
        return orphan.goes_on(told(5, 2.5, phase), used, True, 100.0 + now)

    ended = next(look / 5 for look in range(10_000) if not goes_on(look / 5))
    assert 309 < ended < 314


def test_work_is_no_step_where_steps_are_due_nor_for_ever() -> None:
    busy = [Usage(cpu_seconds=float(second)) for second in range(8000)]
    waiting = Orphan(10.0, 3600.0, told(5), NOTHING, now=0.0)
    assert not all(waiting.goes_on(told(5), busy[now], True, float(now)) for now in range(20))
    saving = Orphan(10.0, 3600.0, told(5), NOTHING, now=0.0)
    going = [saving.goes_on(told(5, phase=Phase.EVALUATING), busy[now], True, float(now)) for now in range(8000)]
    assert (going.index(False) > 3600, going[3700]) == (True, False)
