"""`trainwarden explain`: the facts and the decision on a terminal, or as JSON lines."""

import sys
import time
from datetime import datetime
from functools import partial

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trainwarden import system, units
from trainwarden.config import Config
from trainwarden.launchers.supervisor import SupervisorLauncher
from trainwarden.restart import explanation, exporter
from trainwarden.restart.desk import Desk, Tools
from trainwarden.restart.explanation import Explained
from trainwarden.restart.ledger import Ledger
from trainwarden.runs import visible
from trainwarden.runs.folder import RunFolder

_COLOURS = {"restart": "yellow", "hold": "green", "giveup": "red"}


def explain(config: Config, name: str, *, recorded: bool, as_json: bool) -> None:
    """Print what would be decided about the run now, or what was. Raises ``RunFolderError``."""
    folder = RunFolder(name)
    spec = folder.require_spec()
    if recorded:
        every = list(explanation.recorded(Ledger(folder.ledger_path).read(), spec.run_id))
        if not every:
            click.echo(f"nothing was decided about run '{name}' yet", err=True)
    else:
        every = [explanation.now(Desk(folder, spec, _tools(config)), _wait)]
    for explained in every:
        _print(explained, as_json)


def _tools(config: Config) -> Tools:
    return Tools(
        config=config,
        launcher_for=partial(SupervisorLauncher, by="user"),
        read_exporter=exporter.Exporter(config.receiver.exporter_url).read,
        boot_id=system.boot_id(),
    )


def _wait(seconds: float) -> None:
    print(f"two readings, {seconds:.0f} s apart …", file=sys.stderr, flush=True)
    time.sleep(seconds)


def _print(explained: Explained, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(explained).decode(), flush=True)
        return
    colour = _COLOURS[explained.decision]
    when = datetime.fromtimestamp(explained.at).astimezone().isoformat(" ", "seconds")
    title = f"{when}  [bold {colour}]{explained.decision}: {explained.reason}[/]"
    if explained.entered:
        title += f"  (the ledger says {explained.entered})"
    table = Table("fact", "value", title=title, title_justify="left", show_header=False)
    for fact, value in explanation.notable(explained.facts).items():
        table.add_row(fact.replace("_", " "), escape(readable(fact, value)))
    console = Console()
    console.print(table)
    if explained.facts.gpus_in_doubt:
        console.print(visible.DOUBT, markup=False, highlight=False, soft_wrap=True)


def readable(name: str, value: object) -> str:
    """A fact as people read it: each entry on a line of its own, numbers in the units that their names end in."""
    match value:
        case bool() | None:
            return {True: "yes", False: "no", None: "not known"}[value]
        case int() | float():
            return _number(name, value)
        case dict():
            return "\n".join(
                f"{key.replace('_', ' ')}: {readable(f'{name} {key}', inner)}" for key, inner in value.items()
            )
        case list():
            return "\n".join(readable(name, inner) for inner in value)
    return str(value)


def _number(name: str, value: float) -> str:
    if name.endswith("_at"):
        return datetime.fromtimestamp(value).astimezone().isoformat(" ", "seconds")
    if name.startswith("gpu_memory_used"):
        return units.size(value)
    return f"{units.size(value)}/s" if name == "io_rate" else units.of(value, name)
