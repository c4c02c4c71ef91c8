"""The command line: arguments and wiring, nothing else.

Every command imports what it needs inside itself, so that the exporter carries neither rich nor requests.
"""

import errno
from typing import Any

import click

from trainwarden import config as configuration
from trainwarden.cli import runs, services, standing, trust, watching
from trainwarden.errors import TrainwardenError
from trainwarden.version import VERSION

_EPILOG = "Documentation: https://github.com/trainwarden/trainwarden"


class _Group(click.Group):
    """Turns the errors that a user can mend into one sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TrainwardenError as error:
            click.echo(f"{click.style('trainwarden:', fg='red')} {error}", err=True)
            ctx.exit(error.exit_code)
        except OSError as error:
            if error.errno == errno.EPIPE:  # who read our output has gone: click's own business
                raise
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"{click.style('trainwarden:', fg='red')} {where}{error.strerror or error}", err=True)
            ctx.exit(1)


@click.group(cls=_Group, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="trainwarden")
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False),
    envvar=configuration.ENVIRONMENT,
    show_envvar=True,
    help="The configuration file. By default ./trainwarden.yml, then ~/.config/trainwarden/trainwarden.yml.",
)
@click.pass_context
def main(ctx: click.Context, config_file: str | None) -> None:
    """The night watch for training runs.

    \b
    trainwarden up                          watch this machine (and a demo run, if there is no other)
    trainwarden run NAME -- CMD...          start a training that survives this terminal and can be resumed
    trainwarden attach NAME --tmux SESSION  watch one that runs already
    trainwarden stop NAME                   stop it, for good
    trainwarden watch                       see how this machine and its runs stand
    """
    ctx.obj = configuration.find(config_file)


for _command in (*services.COMMANDS, *runs.COMMANDS, *standing.COMMANDS, *watching.COMMANDS, *trust.COMMANDS):
    main.add_command(_command)
