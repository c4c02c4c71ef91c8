"""Does a training without its launcher go on? Told by its steps."""

from trainwarden.supervise.orphan import Orphan


def test_it_goes_on_for_its_grace_and_then_only_by_steps() -> None:
    orphan = Orphan(10.0, steps=5, now=100.0)
    assert orphan.goes_on(5, None, 109.0)
    assert orphan.goes_on(6, None, 109.5)
    assert orphan.goes_on(6, None, 119.0)
    assert not orphan.goes_on(6, None, 119.6)


def test_a_slow_training_has_as_long_as_its_steps_take() -> None:
    orphan = Orphan(10.0, steps=5, now=100.0)
    assert orphan.goes_on(5, 30.0, 219.0)
    assert not orphan.goes_on(5, 30.0, 221.0)
