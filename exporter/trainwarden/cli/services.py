"""What serves and what brings it all up: exporter, receiver, the stack, and their configuration."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from trainwarden import config as configuration
from trainwarden.cli.shared import load
from trainwarden.errors import ConfigurationError


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


@click.command(short_help="Serve this machine's readings on /metrics.")
@_web
@click.option("--web.max-requests", "max_requests", type=click.IntRange(0), help="Scrapes at once; by default 40.")
@click.option("--collector.gpu.pcie", "gpu_pcie", is_flag=True, default=None, help="PCIe traffic; costs 40 ms a GPU.")
@click.option("--collector.gpu.pids", "gpu_pids", is_flag=True, default=None, help="GPU memory by process too.")
@click.pass_context
def exporter(ctx: click.Context, /, listen: tuple[str, ...], **settings: Any) -> None:
    """Serve this machine's and its runs' readings on /metrics (read-only)."""
    from trainwarden.web import exposition

    exposition.serve(configuration.override(load(ctx), "exporter", settings), listen)


@click.command(short_help="Take webhooks, and restart stuck runs safely.")
@_web
@click.pass_context
def receiver(ctx: click.Context, /, listen: tuple[str, ...], **settings: Any) -> None:
    """Take Alertmanager's webhooks and restart stuck runs, safely (the only part that acts)."""
    from trainwarden.web import webhook

    webhook.serve(configuration.override(load(ctx), "receiver", settings), listen)


_port = click.IntRange(1, 65535)


@click.command(short_help="Bring up the whole stack on this machine.")
@click.option("--detach", "-d", is_flag=True, help="Return when everything answers; `trainwarden down` ends it.")
@click.option("--demo/--no-demo", default=None, help="Start the demo training; by default where no run is configured.")
@click.option("--exporter-port", type=_port, help="By default 9877, or a free one where that is in use.")
@click.option("--receiver-port", type=_port, help="By default 9878, or a free one.")
@click.option("--prometheus-port", type=_port, help="By default 9090, or a free one.")
@click.option("--alertmanager-port", type=_port, help="By default 9093, or a free one.")
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as JSON.")
@click.pass_context
def up(ctx: click.Context, /, detach: bool, demo: bool | None, as_json: bool, **ports: int | None) -> None:
    """Bring up exporter, receiver, Prometheus and Alertmanager on this machine, without Docker.

    \b
    trainwarden up           until Ctrl-C, with a demo training where you have no run
    trainwarden up --detach  in the background, until trainwarden down
    """
    from trainwarden.stack import lifecycle

    given = {name.removesuffix("_port"): port for name, port in ports.items() if port is not None}
    lifecycle.up(load(ctx), detach=detach, with_demo=demo, ports=given, as_json=as_json)


@click.command(short_help="Stop what `trainwarden up` started.")
def down() -> None:
    """Stop what `trainwarden up` started. Your own runs go on."""
    from trainwarden.stack import lifecycle

    lifecycle.down()


@click.command(short_help="Write Prometheus' and Alertmanager's files.")
@click.argument("target", type=click.Path(file_okay=False))
@click.option("--exporter", "exporter_address", default="exporter:9877", show_default=True, metavar="HOST:PORT")
@click.option("--receiver", "receiver_address", default="receiver:9878", show_default=True, metavar="HOST:PORT")
@click.option(
    "--alertmanager", "alertmanager_address", default="alertmanager:9093", show_default=True, metavar="HOST:PORT"
)
@click.option("--prometheus", "prometheus_address", default="prometheus:9090", show_default=True, metavar="HOST:PORT")
@click.option(
    "--grafana",
    "grafana_address",
    default="127.0.0.1:3000",
    show_default=True,
    metavar="HOST:PORT",
    help="As people reach it: where the links in alerts lead.",
)
@click.option("--token-file", default="/run/secrets/trainwarden_receiver_token", show_default=True)
@click.pass_context
def render(ctx: click.Context, /, target: str, token_file: str, **addresses: str) -> None:
    """Write the configuration in force of Prometheus, Alertmanager and Grafana into the folder TARGET."""
    from trainwarden.stack.render import render as write

    named = {name.removesuffix("_address"): address for name, address in addresses.items()}
    write(load(ctx), Path(target), addresses=named, token_file=token_file)


@click.command("config", short_help="Check trainwarden.yml and what it names.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole configuration in force as JSON.")
@click.pass_context
def check_config(ctx: click.Context, as_json: bool) -> None:
    """Check trainwarden.yml and the files that it names (secrets, TLS), and say which file is in force."""
    import msgspec

    loaded = load(ctx)
    try:
        _check_what_it_names(loaded)
    except ConfigurationError as error:
        raise ConfigurationError(f"{ctx.obj}: {error}") from error
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(loaded), indent=2))
    else:
        click.echo(f"{ctx.obj or 'no file: the defaults'}: good; runs: {', '.join(sorted(loaded.runs)) or 'none'}")


def _check_what_it_names(loaded: configuration.Config) -> None:
    """Raise ``ConfigurationError`` for what a service or a launch would refuse."""
    from trainwarden.stack.people import check_secrets
    from trainwarden.supervise import plan
    from trainwarden.web.protection import Protection
    from trainwarden.web.webhook import read_token

    check_secrets(loaded.notify)
    read_token(loaded.receiver.token_file)
    for settings in (loaded.exporter, loaded.receiver):
        Protection(settings.web_config_file)
    for name, run in loaded.runs.items():
        plan.check(name, run)


COMMANDS = (exporter, receiver, up, down, render, check_config)
