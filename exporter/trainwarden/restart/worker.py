"""The receiver's one thread that acts: ticks every run's case, and watches what it launched."""

import fcntl
import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from trainwarden import system
from trainwarden.config import Config
from trainwarden.errors import TrainwardenError
from trainwarden.launchers.base import Launcher
from trainwarden.launchers.supervisor import SupervisorLauncher
from trainwarden.restart import exporter
from trainwarden.restart.desk import Tools
from trainwarden.restart.desks import Desks
from trainwarden.restart.events import Moment
from trainwarden.restart.intake import Notice, take_in
from trainwarden.restart.procedure import tick
from trainwarden.restart.states import Intake
from trainwarden.runs.folder import RunFolder

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
REFRESH_SECONDS = 5.0
"""How often new runs are looked for."""
REST_SECONDS = 10.0
"""How long a run is left alone after an error that nobody foresaw."""
CHECKPOINT_SECONDS = 60.0
"""How often the checkpoints of a run that was restarted are looked at, for the budget that is left."""


class ReceiverRunningError(TrainwardenError):
    """Two receivers would restart a run twice."""


class Worker:
    """Ticks the cases of all runs under ``root``. Takes in alerts from any thread."""

    def __init__(
        self,
        config: Config,
        root: Path,
        launcher_for: Callable[[RunFolder], Launcher] = SupervisorLauncher,
        read_exporter: exporter.ReadExporter | None = None,
    ) -> None:
        tools = Tools(
            config=config,
            launcher_for=launcher_for,
            read_exporter=read_exporter or exporter.Exporter(config.receiver.exporter_url).read,
            boot_id=system.boot_id(),
        )
        self._root = root
        self.desks = Desks(root, tools)
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._resting: dict[str, float] = {}
        self._lock: int | None = None

    def start(self) -> None:
        """Read every ledger and begin. Raises ``ReceiverRunningError`` where another receiver has these runs."""
        self._lock = _lock(self._root)
        self.desks.refresh()
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End after the stage that runs now. What is open goes on from the ledger at the next start."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        if self._lock is not None:
            os.close(self._lock)

    @property
    def alive(self) -> bool:
        """Whether the thread works."""
        return self._thread.is_alive()

    def take_in(self, notice: Notice) -> Intake:
        """Judge an alert and enter it, flushed to the disk. Raises ``LedgerError`` where it cannot be entered."""
        try:
            desk = self.desks.find(notice.run)
        except TrainwardenError:
            return Intake.HELD
        if desk is None:
            return Intake.FOREIGN
        intake = take_in(desk, notice, Moment.now())
        if intake is Intake.ACCEPTED:  # a storm of duplicates is nothing to look at
            self._wake.set()
        return intake

    def _work(self) -> None:
        refresh_at = checkpoints_at = 0.0
        while not self._stopped.is_set():
            now = Moment.now()
            if now.mono >= refresh_at:
                self._guarded("*", self.desks.refresh, now)
                refresh_at = now.mono + REFRESH_SECONDS
            for desk in self.desks.all():
                self._guarded(desk.spec.name, partial(tick, desk, Moment.now()), now)
            if now.mono >= checkpoints_at:
                self._look_at_checkpoints(now)
                checkpoints_at = now.mono + CHECKPOINT_SECONDS
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()

    def _look_at_checkpoints(self, now: Moment) -> None:
        for desk in self.desks.all():
            if desk.history.launches:
                self._guarded(desk.spec.name, partial(desk.chooser.look, now.wall), now)

    def _guarded(self, run: str, work: Callable[[], object], now: Moment) -> None:
        """Nothing that goes wrong with one run may keep the others waiting, or end the thread."""
        if now.mono < self._resting.get(run, 0.0):
            return
        try:
            work()
        except TrainwardenError as error:
            log.error("run '%s': %s", run, error)
            self._resting[run] = now.mono + REST_SECONDS
        except Exception:
            log.exception("run '%s': an error that nobody foresaw; looked at again in %g s", run, REST_SECONDS)
            self._resting[run] = now.mono + REST_SECONDS


def _lock(root: Path) -> int:
    """Hold the runs for this process alone; the kernel lets go of them when it ends, however it ends."""
    root.mkdir(parents=True, exist_ok=True)
    handle = os.open(root / ".receiver.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise ReceiverRunningError(
            f"another receiver has the runs in {root}; stop it first (two would restart a run twice)"
        ) from None
    return handle
