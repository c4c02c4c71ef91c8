"""Whether the watch can be trusted: the thresholds in force, the chain link by link, and fire drills."""

import sys
from typing import Any

import click

from trainwarden.cli.shared import load

_SERVICES = {
    "exporter": "the exporter",
    "receiver": "the receiver",
    "prometheus": "Prometheus",
    "alertmanager": "Alertmanager",
    "grafana": "Grafana",
}


@click.command(short_help="Show the thresholds in force, and their sources.")
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


@click.command(short_help="Let a scratch run fail, and time every link.")
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
    trainwarden drill disk       no space is left: told, not restarted, and a human is called
    trainwarden drill all        one after the other
    """
    from trainwarden.drill import conduct

    faults = _FAULTS if fault == "all" else (fault,)
    sys.exit(conduct.drill(load(ctx), faults, factor=factor, tell=tell, as_json=as_json))


def _addresses(command: Any) -> Any:
    """Where each service answers, if it is not the stack of `trainwarden up` or at its usual port."""
    for name, title in reversed(_SERVICES.items()):
        command = click.option(
            f"--{name}",
            metavar="URL",
            envvar=f"TRAINWARDEN_{name.upper()}_URL",
            help=f"Where {title} answers.",
        )(command)
    return command


@click.command(short_help="Walk the whole chain, and say how to mend it.")
@_addresses
@click.option("--token-file", type=click.Path(), help="Alertmanager's token as it lies here (Docker: in your secrets).")
@click.option("--json", "as_json", is_flag=True, help="Print every link as JSON.")
@click.pass_context
def doctor(ctx: click.Context, /, token_file: str | None, as_json: bool, **addresses: str | None) -> None:
    """Walk the whole chain, say what holds at each link, and how to mend what does not.

    Reads only, and shows no secret. Asks the stack that `trainwarden up` runs; else the addresses in trainwarden.yml
    and the usual ports. An address with a password is better given in the environment: TRAINWARDEN_PROMETHEUS_URL
    and so on. Exit code 0: the chain holds (there may be warnings); 1: it does not.
    """
    from trainwarden.doctor.show import doctor as examine

    ctx.exit(0 if examine(ctx.obj, addresses, token_file, as_json=as_json) else 1)


COMMANDS = (thresholds, doctor, drill)
