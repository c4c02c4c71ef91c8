"""The command line: arguments and wiring, nothing else.

Every command imports what it needs inside itself, so that the exporter carries neither rich nor requests.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from trainwarden import config as configuration
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


@click.group(cls=_Group, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="trainwarden")
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False),
    envvar=configuration.ENVIRONMENT,
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
    """
    ctx.obj = configuration.find(config_file)


def _load(ctx: click.Context) -> configuration.Config:
    path: Path | None = ctx.obj
    return configuration.load(path)


def _web(command: Callable[..., None]) -> Callable[..., None]:
    """The flags that every exporter of Prometheus' family has; each has a key in trainwarden.yml too."""
    for option in (
        click.option(
            "--web.config.file", "web_config_file", metavar="FILE", help="TLS, users and headers (docs/web.md)."
        ),
        click.option("--web.telemetry-path", "telemetry_path", metavar="PATH", help="By default /metrics."),
        click.option(
            "--web.listen-address",
            "listen",
            metavar="HOST:PORT",
            multiple=True,
            help="Where to listen (repeat for more); by default as configured, on loopback.",
        ),
    ):
        command = option(command)
    return command


@main.command()
@_web
@click.option("--web.max-requests", "max_requests", type=click.IntRange(0), help="Scrapes at once; by default 40.")
@click.option("--collector.gpu.pcie", "gpu_pcie", is_flag=True, default=None, help="PCIe traffic; costs 40 ms a GPU.")
@click.option("--collector.gpu.pids", "gpu_pids", is_flag=True, default=None, help="GPU memory by process too.")
@click.pass_context
def exporter(ctx: click.Context, /, listen: tuple[str, ...], **settings: Any) -> None:
    """Serve this machine's and its runs' readings on /metrics (read-only)."""
    from trainwarden.web import exposition

    exposition.serve(configuration.override(_load(ctx), "exporter", settings), listen)


@main.command()
@_web
@click.pass_context
def receiver(ctx: click.Context, /, listen: tuple[str, ...], **settings: Any) -> None:
    """Take Alertmanager's webhooks and restart stuck runs, safely (the only part that acts)."""
    from trainwarden.web import webhook

    webhook.serve(configuration.override(_load(ctx), "receiver", settings), listen)


def _of_a_training(command: Any) -> Any:
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


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        click.echo(f"{click.style('warning:', fg='yellow')} {warning}", err=True)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.option("--cwd", type=click.Path(file_okay=False), help="Working directory of the training.")
@_of_a_training
@click.option("--detach", "-d", is_flag=True, help="Return at once instead of showing the output.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run(ctx: click.Context, /, name: str, command: tuple[str, ...], detach: bool, **options: Any) -> None:
    """Start the training CMD... under the name NAME and show its output.

    The training is detached: closing this terminal changes nothing, Ctrl-C stops it for good. The exit code is
    that of the training's last generation. With a `runs:` entry for NAME in trainwarden.yml, CMD may be left out.

    \b
    trainwarden run luca -- accelerate launch train_network.py --config_file luca.toml
    """
    from trainwarden.supervise import launch, plan, viewer

    planned = plan.plan(name, command=list(command), config=_load(ctx), options=plan.Options(**_given(options)))
    _warn(planned.warnings)
    folder = launch.launch(planned)
    if detach:
        click.echo(f"run '{name}' started; its output: {folder.output_path(1)}; stop it with: trainwarden stop {name}")
        return
    sys.exit(viewer.view(folder, sys.stdout.buffer))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in options.items() if value}


@main.command()
@click.argument("name")
def stop(name: str) -> None:
    """Stop the run NAME for good: SIGTERM to all its processes, and SIGKILL only after a grace."""
    from trainwarden.runs.folder import RunFolder
    from trainwarden.supervise import viewer

    viewer.stop(RunFolder(name))
    click.echo(f"run '{name}' stopped")


@main.command()
@click.argument("name")
def pause(name: str) -> None:
    """Leave the run NAME alone, whatever alerts say, until `trainwarden resume NAME`. The training goes on."""
    from trainwarden.runs.folder import RunFolder

    RunFolder(name).pause()
    click.echo(f"run '{name}' is left alone until: trainwarden resume {name}")


@main.command()
@click.argument("name")
def resume(name: str) -> None:
    """Watch over the run NAME again after `trainwarden pause NAME`."""
    from trainwarden.runs.folder import RunFolder

    RunFolder(name).resume()
    click.echo(f"run '{name}' is watched over again")


@main.command()
@click.argument("name")
@click.option("--pid", type=click.IntRange(1), help="A process of the training: its launcher, its trainer or a worker.")
@click.option("--tmux", "session", metavar="SESSION[:WINDOW.PANE]", help="What runs in this tmux session, or pane.")
@click.option("--tmux-server", "server", metavar="NAME|PATH", help="Another tmux server, as tmux -L NAME or -S PATH.")
@click.option("--log", type=click.Path(), help="The file that the training's output is written to.")
@_of_a_training
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

    chosen = plan.Options(**_given(options))
    what = observe.What(pid=pid, session=session, server=server, log=log, options=chosen)
    attached = observe.attach(name, what, _load(ctx))
    _warn(attached.warnings)
    how = "is watched again" if attached.resumed else "is watched from now on"
    click.echo(f"run '{name}' {how} (pid {attached.training.root.pid}); end that with: trainwarden detach {name}")


@main.command()
@click.argument("name")
def detach(name: str) -> None:
    """End the watching of the attached run NAME. Its training goes on."""
    from trainwarden.observe import attach as observe
    from trainwarden.runs.folder import RunFolder

    observe.detach(RunFolder(name))
    click.echo(f"run '{name}' is not watched any more; its training goes on")


@main.command()
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
        observe.follow_pipe(name, _load(ctx), quiet=quiet, while_watched=while_watched)


@main.command()
@click.argument("name")
@click.option("--recorded", is_flag=True, help="Decide again what the ledger holds, by the facts recorded with it.")
@click.option("--json", "as_json", is_flag=True, help="Print facts and decision as JSON, one line a decision.")
@click.pass_context
def explain(ctx: click.Context, /, name: str, recorded: bool, as_json: bool) -> None:
    """Say what the receiver would decide about the run NAME now, by which facts. Touches nothing."""
    from trainwarden.restart import explain as explaining

    explaining.explain(_load(ctx), name, recorded=recorded, as_json=as_json)


_port = click.IntRange(1, 65535)


@main.command()
@click.option("--detach", "-d", is_flag=True, help="Return when everything answers; `trainwarden down` ends it.")
@click.option("--demo/--no-demo", default=None, help="Start the demo training; by default where no run is configured.")
@click.option("--exporter-port", type=_port, help="By default 9877, or a free one where that is in use.")
@click.option("--receiver-port", type=_port, help="By default 9878, or a free one.")
@click.option("--prometheus-port", type=_port, help="By default 9090, or a free one.")
@click.option("--alertmanager-port", type=_port, help="By default 9093, or a free one.")
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as JSON.")
@click.pass_context
def up(ctx: click.Context, /, detach: bool, demo: bool | None, as_json: bool, **ports: int | None) -> None:
    """Bring up exporter, receiver, Prometheus and Alertmanager on this machine, without Docker."""
    from trainwarden.stack import lifecycle

    given = {name.removesuffix("_port"): port for name, port in ports.items() if port is not None}
    lifecycle.up(_load(ctx), detach=detach, with_demo=demo, ports=given, as_json=as_json)


@main.command()
def down() -> None:
    """Stop what `trainwarden up` started. Your own runs go on."""
    from trainwarden.stack import lifecycle

    lifecycle.down()


@main.command()
@click.argument("target", type=click.Path(file_okay=False))
@click.option("--exporter", "exporter_address", default="exporter:9877", show_default=True, metavar="HOST:PORT")
@click.option("--receiver", "receiver_address", default="receiver:9878", show_default=True, metavar="HOST:PORT")
@click.option(
    "--alertmanager", "alertmanager_address", default="alertmanager:9093", show_default=True, metavar="HOST:PORT"
)
@click.option("--prometheus", "prometheus_address", default="prometheus:9090", show_default=True, metavar="HOST:PORT")
@click.option("--token-file", default="/run/secrets/trainwarden_receiver_token", show_default=True)
@click.pass_context
def render(ctx: click.Context, /, target: str, token_file: str, **addresses: str) -> None:
    """Write the configuration in force of Prometheus, Alertmanager and Grafana into the folder TARGET."""
    from trainwarden.stack.render import render as write

    named = {name.removesuffix("_address"): address for name, address in addresses.items()}
    write(_load(ctx), Path(target), addresses=named, token_file=token_file)


@main.command("config")
@click.option("--json", "as_json", is_flag=True, help="Print the whole configuration in force as JSON.")
@click.pass_context
def check_config(ctx: click.Context, as_json: bool) -> None:
    """Check trainwarden.yml and say which file is in force."""
    import msgspec

    loaded = _load(ctx)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(loaded), indent=2))
    else:
        click.echo(f"{ctx.obj or 'no file: the defaults'}: good; runs: {', '.join(sorted(loaded.runs)) or 'none'}")
