"""What a drill prints: each link as it answers, and a verdict; or all of it as JSON at the end."""

import sys

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.markup import escape

from trainwarden.drill.faults import Fault
from trainwarden.drill.follow import BrokenError
from trainwarden.drill.links import Answer, Link
from trainwarden.drill.people import Ways


class Result(Struct, frozen=True, kw_only=True):
    """What became of one fault."""

    fault: str
    ok: bool
    links: list[Answer]
    broken: str = ""
    """The link that did not answer."""
    why: str = ""
    simulated: str = ""


class Drilled(Struct, frozen=True, kw_only=True):
    """What ``--json`` prints."""

    ok: bool
    factor: float
    """By which durations were divided."""
    notified: list[str]
    """The ways of the user's own ``notify:`` by which people were told; empty: nobody was."""
    drills: list[Result]


class Report:
    """Gathers, and prints as it goes unless ``quiet``."""

    def __init__(self, *, quiet: bool) -> None:
        self.results: list[Result] = []
        self._console = Console(quiet=quiet, highlight=False)
        self._status = self._console.status("")

    def say(self, line: str) -> None:
        """A line of progress, beside the result."""
        self._status.stop()
        print(line, file=sys.stderr, flush=True)

    def opening(self, factor: float, ways: Ways) -> None:
        """What is about to happen, and who is told of it, once."""
        people = f"people are told by {_all(ways)}, marked DRILL" if ways else "nobody is told (--notify tells them)"
        pace = "in earnest's time" if factor == 1 else f"{factor:g} times as fast as in earnest"
        self._console.print(
            f"A stack and a scratch run of the drill's own, {pace}; {escape(people)}. Your own runs and stack are not"
            " touched."
        )

    def fault(self, fault: Fault) -> None:
        """What is drilled next."""
        self._console.print(f"\n[bold]drill {fault.name}[/bold]: {escape(fault.what)}")
        self._console.print(f"  simulated: {escape(fault.simulated)}.")

    def waiting(self, link: Link) -> None:
        """Show what is waited for, where that can be shown."""
        if self._console.is_terminal:
            self._status.update(f"  {escape(link.title)} …")
            self._status.start()

    def answered(self, answer: Answer) -> None:
        """One link."""
        self._status.stop()
        earnest = f"  (in earnest: {answer.earnest})" if answer.earnest else ""
        self._console.print(
            f"  [green]✓[/green] {answer.seconds:7.1f} s  {escape(answer.title)}[dim]{escape(earnest)}[/dim]"
            f"  {escape(answer.said)}",
            soft_wrap=True,
        )

    def done(self, fault: Fault, answers: list[Answer]) -> None:
        """Every link of a fault has answered."""
        self.results.append(Result(fault=fault.name, ok=True, links=answers, simulated=fault.simulated))
        since = max((answer.since_fault or 0.0 for answer in answers), default=0.0)
        self._console.print(f"  [bold green]every link answered[/bold green], {since:.1f} s after the fault")

    def broken(self, fault: str, answers: list[Answer], error: BrokenError) -> None:
        """A link of a fault did not."""
        self._status.stop()
        answers = [*answers, _silent(error)]
        self.results.append(Result(fault=fault, ok=False, links=answers, broken=error.link, why=str(error)))
        self._console.print(
            f"  [bold red]✗ {error.link}[/bold red]: {escape(error.title)}: {escape(str(error))}", soft_wrap=True
        )

    @property
    def ok(self) -> bool:
        """Whether every link of every fault answered."""
        return bool(self.results) and all(result.ok for result in self.results)

    def json(self, factor: float, ways: Ways) -> str:
        """All of it."""
        drilled = Drilled(ok=self.ok, factor=factor, notified=list(ways), drills=self.results)
        return msgspec.json.format(msgspec.json.encode(drilled), indent=2).decode()

    def close(self) -> None:
        """Take what is waited for off the terminal."""
        self._status.stop()


def _all(ways: Ways) -> str:
    *others, last = ways.values()
    return f"{', '.join(others)} and {last}" if others else last


def _silent(error: BrokenError) -> Answer:
    return Answer(
        link=error.link, title=error.title, ok=False, seconds=0.0, since_fault=None, earnest="", said=str(error)
    )
