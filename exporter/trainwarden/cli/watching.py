"""What already runs, watched; and what the receiver thinks of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trainwarden.cli.shared import given, load, of_a_run, of_a_training, warn

if TYPE_CHECKING:
    from trainwarden.runs.folder import RunFolder


@click.command(short_help="Watch a training that already runs.")
@click.argument("name")
@click.option("--pid", type=click.IntRange(1), help="A process of the training: its launcher, its trainer or a worker.")
@click.option("--tmux", "session", metavar="SESSION[:WINDOW.PANE]", help="What runs in this tmux session, or pane.")
@click.option("--tmux-server", "server", metavar="NAME|PATH", help="Another tmux server, as tmux -L NAME or -S PATH.")
@click.option("--log", type=click.Path(), help="The file that the training's output is written to.")
@of_a_training
@click.pass_context
def attach(
    ctx: click.Context,
    /,
    name: str,
    *,
    pid: int | None,
    session: str | None,
    server: str | None,
    log: str | None,
    **options: Any,
) -> None:
    """Watch a training that already runs under the name NAME; it is neither stopped nor started by trainwarden.

    \b
    trainwarden attach luca --tmux luca              and read what its pane prints
    trainwarden attach luca --pid 4711 --log train.log
    """
    from trainwarden.observe import attach as observe
    from trainwarden.supervise import plan

    chosen = plan.Options(**given(options))
    what = observe.What(pid=pid, session=session, server=server, log=log, options=chosen)
    attached = observe.attach(name, what, load(ctx))
    warn(attached.warnings)
    how = "is watched again" if attached.resumed else "is watched from now on"
    click.echo(f"run '{name}' {how} (pid {attached.training.root.pid}); end that with: trainwarden detach {name}")


@click.command(short_help="End the watching of an attached run.")
@of_a_run
def detach(folder: "RunFolder") -> None:
    """End the watching of the attached run NAME. Its training goes on."""
    from trainwarden.observe import attach as observe

    observe.detach(folder)
    click.echo(f"run '{folder.name}' is not watched any more; its training goes on")


@click.command(short_help="Read a run's output from a pipe.")
@click.argument("name")
@click.option("--log", type=click.Path(), help="Follow this file instead of standard input.")
@click.option("--quiet", "-q", is_flag=True, help="Do not pass standard input on to standard output.")
@click.option("--while-watched", is_flag=True, help="End with the run, and not with the pipe (for tmux pipe-pane).")
@click.pass_context
def follow(ctx: click.Context, /, name: str, *, log: str | None, quiet: bool, while_watched: bool) -> None:
    """Read the output of the run NAME from a pipe (and pass it on, like tee), or from a log file.

    \b
    python train.py 2>&1 | trainwarden follow luca   attaches to train.py, if luca is not attached yet
    """
    from trainwarden.observe import follow as observe
    from trainwarden.runs.folder import RunFolder

    if log is not None:
        observe.follow_log(RunFolder(name), Path(log))
    else:
        observe.follow_pipe(name, lambda: load(ctx), quiet=quiet, while_watched=while_watched)


@click.command(short_help="Say what would be decided about a run, and why.")
@click.argument("name")
@click.option("--recorded", is_flag=True, help="Decide again what the ledger holds, by the facts recorded with it.")
@click.option("--json", "as_json", is_flag=True, help="Print facts and decision as JSON, one line a decision.")
@click.pass_context
def explain(ctx: click.Context, /, name: str, recorded: bool, as_json: bool) -> None:
    """Say what the receiver would decide about the run NAME now, by which facts. Touches nothing."""
    from trainwarden.restart import explain as explaining

    explaining.explain(load(ctx), name, recorded=recorded, as_json=as_json)


COMMANDS = (attach, detach, follow, explain)
