"""Whether a training goes on though the process that the keeper started has ended.

A launcher that is killed alone (by the kernel for memory, say) leaves a training that takes steps and saves as before:
that is a healthy run, and must be neither stopped nor restarted.
"""

from trainwarden.model import Phase, Progress
from trainwarden.runs.usage import Usage

MEDIANS = 4
"""A training that takes no step for so many of its own median steps does not go on."""
LAST_OUTPUT = 1.0
"""Seconds after its last process for which what it printed may still be on its way."""
WORK_SECONDS = 2.0
"""Over so long is measured whether its processes work."""
CPU_RATIO, IO_RATE = 0.1, 65536.0
"""CPU seconds, and bytes read and written, a second of processes that do."""


class Orphan:
    """One generation whose launcher ended at ``now`` (monotonic seconds).

    ``grace``: seconds without a sign of life, at least, after which it does not go on. The sign is a step, or in a
    phase that has none (a save, sample images) work, but that not for longer than ``patience``.
    """

    def __init__(self, grace: float, patience: float, told: Progress, used: Usage, now: float) -> None:
        self._grace = grace
        self._patience = patience
        self._steps = told.steps_done
        self._stepped = self._since = now
        self._measured, self._used = now, used
        self._lived: float | None = None

    def goes_on(self, told: Progress, used: Usage, lives: bool, now: float) -> bool:
        """Whether a process of it lives and has given a sign of life lately."""
        if not lives:
            return self._lived is not None and now - self._lived < LAST_OUTPUT
        self._lived = now
        if told.steps_done > self._steps:
            self._steps, self._stepped, self._since = told.steps_done, now, now
        elif self._works(used, now) and told.phase is not Phase.TRAINING and now - self._stepped < self._patience:
            self._since = now
        return now - self._since < max(self._grace, MEDIANS * (told.median_step_seconds or 0.0))

    def _works(self, used: Usage, now: float) -> bool:
        """Asked anew every ``WORK_SECONDS``; False in between."""
        seconds = now - self._measured
        if seconds < WORK_SECONDS:
            return False
        cpu, io = used.cpu_seconds - self._used.cpu_seconds, used.io_bytes - self._used.io_bytes
        self._measured, self._used = now, used
        return cpu >= CPU_RATIO * seconds or io >= IO_RATE * seconds
