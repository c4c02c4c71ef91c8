"""What several commands take and say."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trainwarden import config as configuration

if TYPE_CHECKING:
    from trainwarden.runs.folder import RunFolder


def _folder(name: str) -> "RunFolder":
    from trainwarden.runs.folder import RunFolder

    return RunFolder(name)


of_a_run = click.argument("folder", metavar="NAME", type=_folder)
"""The argument of a command about one run: its name, handed over as its folder."""


def load(ctx: click.Context) -> configuration.Config:
    """The configuration in force. Raises ``ConfigurationError``."""
    path: Path | None = ctx.obj
    return configuration.load(path)


def of_a_training(command: Any) -> Any:
    """The options that say what its command line does not."""
    options = (
        click.option("--checkpoints", type=click.Path(), help="Folder it writes to; by default read off the command."),
        click.option("--output-name", help="What its files begin with; by default read off the command."),
        click.option("--recipe", help="How to resume: kohya (recognised), hf, lightning, accelerate, torch, none."),
        click.option("--profile", help="What is normal for it: conservative, balanced (default) or aggressive."),
        click.option("--gpu", "gpus", type=int, multiple=True, help="A GPU that the run uses (repeat for more)."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def warn(warnings: list[str]) -> None:
    """What the user should know now and not after a crash."""
    for warning in warnings:
        click.echo(f"{click.style('warning:', fg='yellow')} {warning}", err=True)


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that the command line names; tuples as lists."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in options.items() if value}
