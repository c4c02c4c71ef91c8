"""``trainwarden status`` and ``trainwarden watch``: once, or again and again."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from trainwarden.errors import RunFolderError, TrainwardenError
from trainwarden.runs.folder import RunFolder, runs_root
from trainwarden.status.asking import Child
from trainwarden.status.draw import Fitted, drawn
from trainwarden.status.report import Report, worst

Names = tuple[str, ...]
"""Of the runs that are asked for; none: all."""
Told = Report | TrainwardenError


def status(config_file: Path | None, names: Names, *, as_json: bool) -> None:
    """Print how it stands. Raises ``RunFolderError`` for a name that is no run's, ``TrainwardenError``."""
    with closing(_Looks(config_file, names)) as looks:
        report = looks.first()
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        Console().print(drawn(report, whole=not names))


def watch(config_file: Path | None, names: Names, *, interval: float, as_json: bool) -> None:
    """Tell it anew every ``interval`` seconds until Ctrl-C; each a line of JSON where asked for.

    Raises as ``status`` does, and only at the beginning.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # the terminal is put back first
    with suppress(KeyboardInterrupt), closing(_Looks(config_file, names)) as looks:
        told: Told = looks.first()
        with _json_lines() if as_json else _screen(whole=not names) as tell:
            while True:
                tell(told)
                time.sleep(interval)
                told = looks.again()


class _Looks:
    """Looks at the runs of these names, by a child; by another one where that has died."""

    def __init__(self, config_file: Path | None, names: Names) -> None:
        for name in names:
            RunFolder(name)  # what can be no name is told as everywhere
        self._config_file = config_file
        self._names = names
        self._child: Child | None = None

    def first(self) -> Report:
        """Raises ``RunFolderError`` for a name that is no run's, ``TrainwardenError`` where nothing can be told."""
        report = self._look()
        for name in self._names:
            if name not in report.runs:
                raise RunFolderError(_missing(report, name))
        return chosen(report, self._names)

    def again(self) -> Told:
        """The same, later: a run whose folder is gone is told of no more, and a child that died is replaced."""
        try:
            return chosen(self._look(), self._names)
        except TrainwardenError as error:
            self.close()
            return error

    def close(self) -> None:
        """Let the child end."""
        if self._child is not None:
            self._child.close()
        self._child = None

    def _look(self) -> Report:
        self._child = self._child or Child(self._config_file, every=bool(self._names))
        return self._child.look()


def chosen(report: Report, names: Names) -> Report:
    """The same with these runs alone, where any are named."""
    if not names:
        return report
    runs = {name: report.runs[name] for name in names if name in report.runs}
    return replace(report, runs=runs, level=worst([report.machine.level, *(run.level for run in runs.values())]))


def _missing(report: Report, name: str) -> str:
    unread = [fault.fault for fault in report.faults if fault.collector == "runs"]
    if unread:
        return f"run '{name}' could not be read: {'; '.join(unread)}"
    return f"there is no run '{name}' in {runs_root()}; runs there: {', '.join(report.runs) or 'none'}"


@contextmanager
def _json_lines() -> Iterator[Callable[[Told], None]]:
    def tell(told: Told) -> None:
        if isinstance(told, Report):
            print(msgspec.json.encode(told).decode(), flush=True)
        else:
            print(f"trainwarden: {told}", file=sys.stderr, flush=True)

    yield tell


@contextmanager
def _screen(*, whole: bool) -> Iterator[Callable[[Told], None]]:
    """On a terminal drawn in place, and the terminal as it was at the end; elsewhere one below the other."""
    console = Console()

    def shown(told: Told) -> RenderableType:
        return drawn(told, whole=whole) if isinstance(told, Report) else Text(str(told), style="bold red")

    if not console.is_terminal:
        yield lambda told: console.print(shown(told))
        return
    with Live(console=console, screen=True) as live:
        yield lambda told: live.update(Fitted(shown(told)), refresh=True)
