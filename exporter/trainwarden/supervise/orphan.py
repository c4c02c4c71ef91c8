"""Whether a training goes on though the process that the keeper started has ended.

A launcher that is killed alone (by the kernel for memory, say) leaves a training that takes steps and saves as before:
that is a healthy run, and must be neither stopped nor restarted.
"""

MEDIANS = 4
"""A training that takes no step for so many of its own median steps does not go on."""
LAST_OUTPUT = 1.0
"""Seconds after its last process for which what it printed may still be on its way."""


class Orphan:
    """One generation whose launcher ended at ``now`` (monotonic seconds), after ``steps`` steps.

    ``grace``: seconds without a step, at least, after which it does not go on.
    """

    def __init__(self, grace: float, steps: int, now: float) -> None:
        self._grace = grace
        self._steps = steps
        self._since = now
        self._lived: float | None = None

    def goes_on(self, steps: int, median_step_seconds: float | None, lives: bool, now: float) -> bool:
        """Whether a process of it lives and has taken a step lately."""
        if not lives:
            return self._lived is not None and now - self._lived < LAST_OUTPUT
        self._lived = now
        if steps > self._steps:
            self._steps, self._since = steps, now
        return now - self._since < max(self._grace, MEDIANS * (median_step_seconds or 0.0))
