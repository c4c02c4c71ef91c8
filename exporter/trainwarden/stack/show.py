"""What `up` and `down` print: progress on the error stream, results on the output stream."""

import json
import sys

from rich.console import Console
from rich.table import Table

from trainwarden.stack.state import StackFolder, StackState


def say(line: str) -> None:
    """One line of progress."""
    print(line, file=sys.stderr, flush=True)


def addresses(state: StackState, folder: StackFolder, *, as_json: bool) -> None:
    """Print where everything answers."""
    if as_json:
        found = {service.name: service.url for service in state.services}
        print(json.dumps({"addresses": found, "demo": bool(state.demo), "folder": str(folder.path)}), flush=True)
        return
    table = Table(title="trainwarden is up", title_justify="left", title_style="bold green")
    table.add_column("service")
    table.add_column("address", style="cyan")
    table.add_column("log", overflow="fold")
    for service in state.services:
        table.add_row(service.title, service.url, str(folder.log(service.name)))
    Console().print(table)


def hint(state: StackState, *, detached: bool) -> None:
    """Say how it goes on from here."""
    graph = next((s.url for s in state.services if s.name in ("grafana", "prometheus")), "")
    say(f"Look around at {graph}; the loss of a run, say: {graph}graph?g0.expr=trainwarden_run_loss&g0.tab=0")
    say("`trainwarden down` ends it." if detached else "Ctrl-C ends it.")
