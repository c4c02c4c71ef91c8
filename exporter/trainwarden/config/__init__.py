"""``trainwarden.yml``: found, read, checked key by key, and resolved.

Every mistake is answered with one sentence that names the file, the path of the key, and what is allowed there.
"""

import os
from pathlib import Path
from typing import Any

import msgspec

from trainwarden import guide, system
from trainwarden.config.checks import (
    check_run,
    check_services,
    check_telemetry_path,
    check_thresholds,
    split_address,
)
from trainwarden.config.claims import check_apart
from trainwarden.config.notify import (
    EmailConfig,
    NotifyConfig,
    QuietConfig,
    QuietTime,
    SlackConfig,
    WebhookConfig,
    check_notify,
    check_url,
    secret_files,
)
from trainwarden.config.reading import absolute, convert, read_yaml
from trainwarden.config.shape import (
    Config,
    ExporterConfig,
    ReceiverConfig,
    RunConfig,
    Thresholds,
)
from trainwarden.errors import ConfigurationError

__all__ = [
    "ENVIRONMENT",
    "Config",
    "EmailConfig",
    "ExporterConfig",
    "NotifyConfig",
    "QuietConfig",
    "QuietTime",
    "ReceiverConfig",
    "RunConfig",
    "SlackConfig",
    "Thresholds",
    "WebhookConfig",
    "absolute",
    "check_telemetry_path",
    "check_url",
    "convert",
    "find",
    "is_observed",
    "load",
    "machine_thresholds",
    "override",
    "parse",
    "read_yaml",
    "run_thresholds",
    "secret_files",
    "split_address",
]

ENVIRONMENT = "TRAINWARDEN_CONFIG"
FILE_NAME = "trainwarden.yml"


def find(explicit: str | None = None) -> Path | None:
    """The file in force: ``--config``, ``$TRAINWARDEN_CONFIG``, ``./trainwarden.yml``, then the user's own."""
    named = explicit or os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    user = system.base_folder("XDG_CONFIG_HOME", ".config") / "trainwarden" / FILE_NAME
    return next((path for path in (Path(FILE_NAME), user) if path.is_file()), None)


def load(path: Path | None) -> Config:
    """Read the file, or take the defaults where there is none. Raises ``ConfigurationError``."""
    return Config() if path is None else parse(read_yaml(path), str(path))


def parse(raw: Any, source: str) -> Config:
    """Check and convert a parsed ``trainwarden.yml``; ``source`` names it in errors."""
    config = convert(raw, Config, source)
    try:
        check_services(config.exporter, config.receiver)
        check_thresholds(config.thresholds, "thresholds", (*guide.MACHINE, *guide.RUN))
        check_notify(config.notify)
        for name, run in config.runs.items():
            check_run(name, run)
        check_apart(config.runs)
    except ConfigurationError as error:
        raise ConfigurationError(f"{source}: {error}") from error
    return config


def override(config: Config, section: str, settings: dict[str, Any]) -> Config:
    """With the settings of a section that the command line gave; None: not given."""
    given = {key: value for key, value in settings.items() if value is not None}
    changed = msgspec.structs.replace(getattr(config, section), **given)
    return msgspec.structs.replace(config, **{section: changed})


def is_observed(config: Config, run: str) -> bool:
    """Whether it is only decided about the run, and not acted: by its entry in ``runs:``, or for all of them."""
    entry = config.runs.get(run)
    return ((entry.mode if entry is not None else None) or config.receiver.mode) == "observe"


def machine_thresholds(config: Config) -> guide.Table:
    """The machine's thresholds in force: the guide's, then its own."""
    return _override(guide.machine_thresholds(), config.thresholds, guide.Source.MACHINE)


def run_thresholds(
    config: Config,
    profile: str,
    overrides: Thresholds,
    median_step_seconds: float | None,
    saves_apart_seconds: float | None = None,
) -> guide.Table:
    """One run's thresholds in force: the guide's for its profile and rhythm, the machine's overrides, then its own."""
    table = guide.run_thresholds(profile, median_step_seconds, saves_apart_seconds)
    return _override(_override(table, config.thresholds, guide.Source.MACHINE), overrides, guide.Source.RUN)


_PLACES = {guide.Source.MACHINE: f"thresholds in {FILE_NAME}", guide.Source.RUN: "thresholds in run.json"}


def _override(table: guide.Table, overrides: Thresholds, source: guide.Source) -> guide.Table:
    given = {
        (signal, level): guide.InForce(value, source, _PLACES[source])
        for signal, levels in overrides.items()
        for level, value in levels.items()
    }
    return {key: given.get(key, in_force) for key, in_force in table.items()}
