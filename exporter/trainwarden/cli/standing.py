"""How it stands: the guide's table for this machine and its runs, once or live."""

from typing import Any

import click

from trainwarden.cli.shared import load


def _of_a_look(command: Any) -> Any:
    """What both commands take."""
    names = click.argument("names", nargs=-1, metavar="[NAME...]")
    return names(click.option("--json", "as_json", is_flag=True, help="As JSON, values in base units.")(command))


@click.command(short_help="Show this machine and its runs, once.")
@_of_a_look
@click.pass_context
def status(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """Show this machine, its runs and what uses its memory, beside the thresholds in force.

    Needs no exporter, no Prometheus and no configuration. With NAME... those runs alone, also where they ended long
    ago. The exit code is 0 whatever the levels are; a script asks the JSON (its keys: docs/status.md), as in:

    \b
    trainwarden status                                            the whole table
    trainwarden status luca                                       one run
    trainwarden status --json | jq -e '.level != "danger"'        exit code 1 where anything is in danger
    trainwarden status --json | jq -r '.runs.luca.last_line'
    """
    from trainwarden.status import show

    load(ctx)
    show.status(ctx.obj, names, as_json=as_json)


@click.command(short_help="Show this machine and its runs live.")
@_of_a_look
@click.option(
    "--interval",
    type=click.FloatRange(1, 3600),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="From one look to the next.",
)
@click.pass_context
def watch(ctx: click.Context, names: tuple[str, ...], as_json: bool, interval: float) -> None:
    """Show the same as `trainwarden status`, again and again, until Ctrl-C.

    On a terminal it is drawn in place; into a pipe or a file one look stands below the other.

    \b
    trainwarden watch
    trainwarden watch luca --interval 2
    trainwarden watch --json > night.jsonl    a line of JSON a look
    """
    from trainwarden.status import show

    load(ctx)
    show.watch(ctx.obj, names, interval=interval, as_json=as_json)


COMMANDS = (status, watch)
