"""A report on a terminal, readable in 80 columns and without colour."""

from collections.abc import Iterator
from datetime import datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from trainwarden import units
from trainwarden.model import Phase, Verdict
from trainwarden.restart.states import State
from trainwarden.status import words
from trainwarden.status.report import Card, Level, Machine, Process, Report, Run, Saved, Signal
from trainwarden.status.scales import bands

_STYLES = {Level.SAFE: "green", Level.INFO: "cyan", Level.WARNING: "yellow", Level.DANGER: "bold red"}
_VERDICTS = {Verdict.VALID: "green", Verdict.INVALID: "bold red", Verdict.UNSETTLED: "dim"}
_COLUMNS = {"signal": 13, "now": 18, "safe": 9, "warning": 14, "danger": 7, "level": 7}
_SHOWN_IF_NOT_WELL = ("gpu_foreign_processes", "checkpoint_room_sizes")


def drawn(report: Report, *, whole: bool) -> Group:
    """All of it; unless ``whole`` the runs alone, those that are over with all that is known of them."""
    parts: list[RenderableType] = []
    if whole:
        parts += _machine(report)
    for name, run in report.runs.items():
        parts.append(_ended(name, run, report.at) if whole and _is_done(run) else _run(name, run, report.at))
    if whole and report.processes:
        parts.append(_processes(report.processes))
    parts += (Text(f"could not be read: {fault.fault}", style="yellow") for fault in report.faults)
    return Group(*parts)


class Fitted:
    """As much of it as the terminal is high, and how much there is besides."""

    def __init__(self, whole: RenderableType) -> None:
        self._whole = whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._whole, options.update(height=None))
        room = options.max_height
        more = len(lines) - room + 1 if len(lines) > room else 0
        for line in lines[: len(lines) - more]:
            yield from line
            yield Segment.line()
        if more:
            yield Text(f"{more} lines more: in a higher window, or with a run's name", style="reverse", end="")


def _level(level: Level | None) -> Text:
    return Text("" if level is None else level.value, style="" if level is None else _STYLES[level])


def _title(text: str, level: Level) -> Text:
    return Text.assemble((f"{text}: ", "bold"), _level(level))


def _machine(report: Report) -> Iterator[RenderableType]:
    """The guide's table: the machine's own signals, then those of each GPU."""
    machine = report.machine
    when = datetime.fromtimestamp(report.at).astimezone().isoformat(" ", "seconds")
    yield Text.assemble(_title("this machine", machine.level), f", {when}")
    yield _signals(machine, gpu=None)
    for card in machine.gpus:
        yield _card(card)
        yield _signals(machine, gpu=card.gpu)
    if not machine.gpus and not any(fault.collector == "gpu" for fault in report.faults):
        yield Text("There is no NVIDIA GPU here.")
    yield from (Text(signal.note, style="yellow") for signal in machine.signals if signal.note)
    yield Text("")


def _signals(machine: Machine, *, gpu: str | None) -> Table:
    """One below the other they make one table, so the columns have their widths."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, show_header=gpu is None, padding=(0, 1, 0, 0))
    for heading, width in _COLUMNS.items():
        table.add_column(heading, overflow="fold", min_width=width)
    for signal in machine.signals:
        if signal.gpu == gpu:
            title = words.title(signal, shared=_is_shared(machine, signal))
            ranges = bands(signal.signal, signal.limits)
            table.add_row(title, words.now(signal), *ranges, _level(signal.level))
    return table


def _is_shared(machine: Machine, signal: Signal) -> bool:
    """Whether the same reading is judged by the thresholds of several runs."""
    return sum((one.signal, one.gpu) == (signal.signal, signal.gpu) for one in machine.signals) > 1


def _card(card: Card) -> Text:
    if not card.up:
        return Text(f"GPU {card.gpu} does not answer, and every run on it is stuck.", style=_STYLES[Level.DANGER])
    users = ", ".join(card.runs) or "no run uses it"
    return Text(f"GPU {card.gpu}: {card.name} ({users})")


def _run(name: str, run: Run, at: float) -> RenderableType:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column()
    for label, text, level in _rows(name, run, at):
        table.add_row(label, Text(text), _level(level))
    for place, saved in enumerate(run.checkpoints):
        table.add_row("" if place else "checkpoints", Text(words.checkpoint(saved, at)), _verdict(saved))
    for label, text in words.rest(run):
        table.add_row(label, Text(text), "")
    if run.last_line:
        table.add_row("output", Text(_printable(run.last_line), no_wrap=True, overflow="ellipsis"), "")
    return Group(_title(f"run {name}", run.level), Padding(table, (0, 0, 1, 2)))


def _rows(name: str, run: Run, at: float) -> Iterator[tuple[str, str, Level | None]]:
    """What is known, a line each."""
    yield "state", words.state(name, run, at), None
    yield from ((label, text, None) for label, text in words.progress(run, at))
    for signal in run.signals:
        if signal.signal in _SHOWN_IF_NOT_WELL and signal.level in (None, Level.SAFE):
            continue
        yield words.title(signal), words.beside_limits(signal), signal.level
        if signal.note:
            yield "", signal.note, None


def _verdict(saved: Saved) -> Text:
    return Text(saved.verdict.value, style=_VERDICTS[saved.verdict])


def _is_done(run: Run) -> bool:
    """Whether a line is enough: it finished or was stopped, and nobody is about to do anything for it."""
    return not run.live and run.phase != Phase.FAILED and run.state == State.WATCHING and not run.needs_human


def _ended(name: str, run: Run, at: float) -> RenderableType:
    return Padding(Text.assemble(_title(f"run {name}", run.level), f", {words.ended(run, at)}"), (0, 0, 1, 0))


def _processes(processes: list[Process]) -> RenderableType:
    table = Table("memory", "pid", "program", "run", box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for column in table.columns[:2]:
        column.justify = "right"
    for process in processes:
        memory = units.size(process.memory_bytes)
        table.add_row(memory, str(process.pid), Text(_printable(process.name)), process.run or "")
    return Group(Text("most memory", style="bold"), table)


def _printable(text: str) -> str:
    """What others have written, without what would move the cursor."""
    return "".join(character if character.isprintable() else " " for character in text)
