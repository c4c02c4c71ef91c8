"""The life of a run: start, stop, pause, resume."""

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from trainwarden.cli.shared import given, load, of_a_run, of_a_training, warn

if TYPE_CHECKING:
    from trainwarden.runs.folder import RunFolder


@click.command(
    context_settings={"ignore_unknown_options": True}, short_help="Start a training that survives this terminal."
)
@click.argument("name")
@click.option("--cwd", type=click.Path(file_okay=False), help="Working directory of the training.")
@of_a_training
@click.option(
    "--launcher",
    type=click.Choice(["tmux", "command", "docker", "slurm"]),
    help="What starts it instead (docs/launchers/README.md).",
)
@click.option("--adapt", type=click.Choice(["guide"]), help="Step down by the guide when memory runs out.")
@click.option("--detach", "-d", is_flag=True, help="Return at once instead of showing the output.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD...]")
@click.pass_context
def run(ctx: click.Context, /, name: str, command: tuple[str, ...], detach: bool, **options: Any) -> None:
    """Start the training CMD... under the name NAME and show its output.

    The training is detached: closing this terminal changes nothing, Ctrl-C stops it for good. The exit code is
    that of the training's last generation. With a `runs:` entry for NAME in trainwarden.yml, CMD may be left out.

    \b
    trainwarden run luca -- accelerate launch train_network.py --config_file luca.toml
    """
    from trainwarden.supervise import launch, plan, viewer

    if command and command[0].startswith("-"):  # a mistyped option, which would be taken for the program
        raise click.NoSuchOption(command[0], ctx=ctx)
    planned = plan.plan(name, command=list(command), config=load(ctx), options=plan.Options(**given(options)))
    warn(planned.warnings)
    folder = launch.launch(planned)
    if detach:
        click.echo(f"run '{name}' started; its output: {folder.output_path(1)}; stop it with: trainwarden stop {name}")
        return
    sys.exit(viewer.view(folder, sys.stdout.buffer))


@click.command(short_help="Stop a run for good.")
@of_a_run
def stop(folder: "RunFolder") -> None:
    """Stop the run NAME for good: SIGTERM to all its processes, and SIGKILL only after a grace."""
    from trainwarden.supervise import viewer

    viewer.stop(folder)
    click.echo(f"run '{folder.name}' stopped")


@click.command(short_help="Leave a run alone, whatever alerts say.")
@of_a_run
def pause(folder: "RunFolder") -> None:
    """Leave the run NAME alone, whatever alerts say, until `trainwarden resume NAME`. The training goes on."""
    folder.pause()
    click.echo(f"run '{folder.name}' is left alone until: trainwarden resume {folder.name}")


@click.command(short_help="Watch over a paused run again.")
@of_a_run
def resume(folder: "RunFolder") -> None:
    """Watch over the run NAME again after `trainwarden pause NAME`."""
    folder.resume()
    click.echo(f"run '{folder.name}' is watched over again")


@click.command(short_help="Supervise again what another launcher started.")
@of_a_run
def attend(folder: "RunFolder") -> None:
    """Supervise the run NAME again, that another launcher started, where its supervisor died."""
    from trainwarden.supervise import launch

    launch.attend(folder)
    click.echo(f"run '{folder.name}' is supervised again")


@click.command("exec", short_help="Run what is ordered for a run: for job scripts.")
@of_a_run
def execute(folder: "RunFolder") -> None:
    """Run what is ordered for the run NAME: for job scripts and units, never by hand.

    An order is taken once. Where there is none, exit status 75 says so, and nothing is started from zero.
    """
    from trainwarden.errors import RefusedError
    from trainwarden.supervise.execute import execute as run_ordered

    try:
        sys.exit(run_ordered(folder))
    except RefusedError as error:
        click.echo(f"{click.style('trainwarden:', fg='red')} {error}", err=True)
        sys.exit(os.EX_TEMPFAIL)


COMMANDS = (run, attend, execute, stop, pause, resume)
