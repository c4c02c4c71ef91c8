"""`trainwarden explain`: the facts and the decision on a terminal, or as JSON lines."""

import sys
import time
from datetime import datetime
from functools import partial

import click
import msgspec
from rich.console import Console
from rich.table import Table

from trainwarden import system
from trainwarden.config import Config
from trainwarden.errors import RunFolderError
from trainwarden.launchers.supervisor import SupervisorLauncher
from trainwarden.restart import explanation, exporter
from trainwarden.restart.desk import Desk, Tools
from trainwarden.restart.explanation import Explained
from trainwarden.restart.ledger import Ledger
from trainwarden.runs.folder import RunFolder

_COLOURS = {"restart": "yellow", "hold": "green", "giveup": "red"}


def explain(config: Config, name: str, *, recorded: bool, as_json: bool) -> None:
    """Print what would be decided about the run now, or what was. Raises ``RunFolderError``."""
    folder = RunFolder(name)
    spec = folder.read_spec()
    if spec is None:
        raise RunFolderError(f"there is no run '{name}' in {folder.path.parent}")
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
        read_exporter=partial(exporter.read, config.receiver.exporter_url),
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
        table.add_row(fact.replace("_", " "), str(value), style=None)
    Console().print(table)
