"""How a run is stopped: SIGTERM to every member, a grace, and only then SIGKILL; again until none is left.

Nobody is killed who was not asked first, however late he was found. A member that is still there ``kill_grace``
after SIGKILL sits in the kernel (state D, under a driver that does not answer, say): the run is wedged.
"""

import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from trainwarden.model import Limits
from trainwarden.runs import identity
from trainwarden.runs.members import Key, key
from trainwarden.system import ProcessStat

STOPPED = "T"
"""Ctrl-Z or a debugger: such a process cannot act on SIGTERM before it is continued."""

Send = Callable[[int, int, int], bool]
"""Pid, start time, signal: false where the process is gone."""


@dataclass
class StopProcedure:
    """One stop under way. Every ``now`` is ``system.monotonic()``."""

    limits: Limits
    began: float
    asked: set[Key] = field(default_factory=set)
    """Who was sent SIGTERM."""

    def due(self, living: list[ProcessStat], now: float) -> list[tuple[ProcessStat, int]]:
        """The signals to send now: the oldest member first, which is most often the others' parent."""
        kill = now >= self.began + self.limits.term_grace
        signals: list[tuple[ProcessStat, int]] = []
        for member in living:
            if key(member) not in self.asked:
                signals.append((member, signal.SIGTERM))
                if member.state == STOPPED:
                    signals.append((member, signal.SIGCONT))
            elif kill:
                signals.append((member, signal.SIGKILL))
        return signals

    def carry_on(self, living: list[ProcessStat], now: float, send: Send = identity.send) -> None:
        """Send what is due. A member that may not be signalled (another user's) is left to ``wedged``."""
        for member, signum in self.due(living, now):
            with contextlib.suppress(PermissionError):
                send(member.pid, member.start_time, signum)
            self.asked.add(key(member))

    def wedged(self, living: list[ProcessStat], now: float) -> bool:
        """Whether a member has outlived SIGKILL."""
        return bool(living) and now >= self.began + self.limits.term_grace + self.limits.kill_grace
