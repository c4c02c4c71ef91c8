"""Whether the watch can be trusted: the thresholds in force, and the chain link by link."""

import sys

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


_FAULTS = ("hang", "crash", "leak", "overheat", "disk")


@click.command()
@click.argument("fault", type=click.Choice([*_FAULTS, "all"]))
@click.option("--notify", "tell", is_flag=True, help="Send messages by your own notify: too, marked DRILL.")
@click.option(
    "--factor", type=click.FloatRange(1, 60), default=60, show_default=True, help="How much faster than in earnest."
)
@click.option("--json", "as_json", is_flag=True, help="Print every link's answer as JSON at the end.")
@click.pass_context
def drill(ctx: click.Context, fault: str, tell: bool, factor: float, as_json: bool) -> None:
    """A fire drill: let a scratch run meet FAULT and time every link of the chain.

    It brings up a stack of its own beside yours (own ports, own folder; the shipped rules, with their durations
    divided by --factor) with simulated GPU readings. Your runs, your stack and your GPUs are not touched, nobody is
    told, and nothing is left behind. Exit code: 0 where every link answered, else 1.

    \b
    trainwarden drill hang       a step never ends: one restart from the newest whole checkpoint
    trainwarden drill crash      the training dies: the same
    trainwarden drill leak       RAM fills up: told, and not restarted
    trainwarden drill overheat   the GPU is too hot: told, and not restarted
    trainwarden drill disk       no space is left: not restarted, and a human is called
    trainwarden drill all        one after the other
    """
    from trainwarden.drill import conduct

    faults = _FAULTS if fault == "all" else (fault,)
    sys.exit(conduct.drill(load(ctx), faults, factor=factor, tell=tell, as_json=as_json))


COMMANDS = (thresholds, drill)
