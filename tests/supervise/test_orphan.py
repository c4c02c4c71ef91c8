"""Does a training without its launcher go on? Told by its steps."""

from trainwarden.supervise.orphan import Orphan


def test_it_goes_on_for_its_grace_and_then_only_by_steps() -> None:
    orphan = Orphan(10.0, steps=5, now=100.0)
    assert orphan.goes_on(5, None, True, 109.0)
    assert orphan.goes_on(6, None, True, 109.5)
    assert orphan.goes_on(6, None, True, 119.0)
    assert not orphan.goes_on(6, None, True, 119.6)


def test_a_slow_training_has_as_long_as_its_steps_take() -> None:
    orphan = Orphan(10.0, steps=5, now=100.0)
    assert orphan.goes_on(5, 30.0, True, 219.0)
    assert not orphan.goes_on(5, 30.0, True, 221.0)


def test_what_its_last_process_printed_is_waited_for() -> None:
    orphan = Orphan(10.0, steps=5, now=100.0)
    assert orphan.goes_on(5, None, True, 104.0)
    assert orphan.goes_on(5, None, False, 104.9)
    assert not orphan.goes_on(5, None, False, 105.1)


def test_nothing_goes_on_where_nobody_is_left() -> None:
    assert not Orphan(10.0, steps=5, now=100.0).goes_on(5, None, False, 100.0)
