"""``trainwarden doctor``: the walk on a terminal, or as JSON."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trainwarden.doctor.finding import Status
from trainwarden.doctor.scene import Scene
from trainwarden.doctor.walk import Examined, holds, walk

_STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "bold red", Status.NOT_REACHED: "dim"}


def doctor(config_file: Path | None, given: Mapping[str, str | None], token_file: str | None, *, as_json: bool) -> bool:
    """Walk the chain and print every link; returns whether it holds."""
    examined = list(walk(Scene(config_file, given, token_file)))
    if as_json:
        told = {"holds": holds(examined), "links": examined}
        print(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        _print(examined)
    return holds(examined)


def _mends(examined: list[Examined]) -> dict[str, list[Examined]]:
    """What there is to do, each once, and the links that it mends."""
    found: dict[str, list[Examined]] = {}
    for one in examined:
        if one.status in (Status.WARNING, Status.FAILED):
            found.setdefault(one.mend, []).append(one)
    return found


def _print(examined: list[Examined]) -> None:
    console = Console()
    table = Table("link", "", title="the chain", title_justify="left", title_style="bold")
    table.add_column("found", overflow="fold")
    for one in examined:
        style = _STYLES[one.status]
        table.add_row(one.title, f"[{style}]{one.status.value}[/]", escape(one.found))
    console.print(table)
    for mend, links in _mends(examined).items():
        titles = ", ".join(f"[{_STYLES[one.status]}]{one.title}[/]" for one in links)
        console.print(f"{titles}: ", end="", soft_wrap=True)
        console.print(mend, markup=False, highlight=False, soft_wrap=True)
    if holds(examined):
        ours = all(one.status is Status.OK for one in examined if one.link == "stack")
        console.print("[green]The chain holds.[/]" if ours else "[yellow]The chain holds, and is another user's.[/]")
