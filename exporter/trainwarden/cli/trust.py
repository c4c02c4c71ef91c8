"""Whether the watch can be trusted: the thresholds in force, and the chain link by link."""

import click

from trainwarden.cli.shared import load


@click.command()
@click.option("--run", "name", metavar="NAME", help="Only this run's; one of `runs:` need not be launched yet.")
@click.option("--json", "as_json", is_flag=True, help="Print the tables as JSON, values in base units.")
@click.pass_context
def thresholds(ctx: click.Context, name: str | None, as_json: bool) -> None:
    """Show the thresholds in force: value, level, and who decided it.

    Sources: the guide's section, the run's profile or its own median step, `thresholds:` in trainwarden.yml (this
    machine), or the run's own entry there. The same numbers are exported, and rules and dashboards compare with them.

    \b
    trainwarden thresholds             this machine's and every run's
    trainwarden thresholds --run luca  one run's
    """
    from trainwarden.doctor import thresholds as table

    table.show(load(ctx), name, as_json=as_json)


COMMANDS = (thresholds,)
