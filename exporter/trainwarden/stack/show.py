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
    table.add_column("address", style="cyan", no_wrap=True)
    for service in state.services:
        table.add_row(service.title, service.url)
    Console().print(table)


def hint(state: StackState, folder: StackFolder, *, detached: bool) -> None:
    """Say how it goes on from here."""
    urls = {service.name: service.url for service in state.services}
    if "grafana" not in urls:
        say("Grafana is not installed here. In Prometheus, all runs' losses, say:")
        say(f"  {urls['prometheus']}graph?g0.expr=trainwarden_run_loss&g0.tab=0&g0.range_input=15m")
    say("`trainwarden status` shows how this machine and its runs stand; `trainwarden watch`, live.")
    say("`trainwarden drill crash` shows that the watch works: a scratch run dies beside this stack and is resumed.")
    say(f"Everything lies in {folder.path}; what the services print, in logs/ there.")
    say("`trainwarden down` ends it." if detached else "Ctrl-C ends it.")
