"""``trainwarden.yml``: read, checked key by key, and resolved.

Every mistake is answered with one sentence that names the file, the path of the key, and what is allowed there.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import msgspec.inspect
from msgspec import Meta, Struct, field

from trainwarden import guide
from trainwarden.errors import ConfigurationError
from trainwarden.model import Budget, Limits, ResumeTemplate, Seconds
from trainwarden.names import EXPORTER_PORT, RECEIVER_PORT, RUN_NAME, RUN_NAME_RULE

ENVIRONMENT = "TRAINWARDEN_CONFIG"
FILE_NAME = "trainwarden.yml"

S = TypeVar("S", bound=Struct)


class ExporterConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``exporter:``, the read-only side."""

    listen: str = f"127.0.0.1:{EXPORTER_PORT}"
    telemetry_path: str = "/metrics"
    web_config_file: str | None = None
    """TLS, users and headers, in the form that Prometheus' family shares."""
    max_requests: Annotated[int, Meta(ge=0)] = 40
    """Scrapes at once; 0: as many as there are connections."""
    keep_ended: Seconds = 7 * 86400.0
    """How long a run that is over stays in the metrics: after that it is history, which Prometheus has."""
    gpus_expected: Annotated[int, Meta(ge=0)] | None = None
    """How many GPUs should be there; None: the most that were seen since the exporter began."""
    gpu_pcie: bool = False
    """Read each GPU's PCIe traffic too, which costs 40 ms a card and scrape."""
    gpu_pids: bool = False
    """Tell GPU memory by process too; pids come and go, and each is a new series."""


class ReceiverConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``receiver:``, the only side that acts."""

    listen: str = f"127.0.0.1:{RECEIVER_PORT}"
    telemetry_path: str = "/metrics"
    web_config_file: str | None = None
    """TLS, users and headers, in the form that Prometheus' family shares."""
    exporter_url: str = f"http://127.0.0.1:{EXPORTER_PORT}/metrics"
    """Where the second look reads."""
    mode: Literal["restart", "observe"] = "restart"
    """``observe``: decide and tell, and do not act."""
    token_file: str | None = None
    """The bearer token that the webhook demands. Needed to listen beyond loopback."""


class SlackConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``notify.slack:``. The URL is a secret, so it is named by its file."""

    api_url_file: str
    channel: str


class EmailConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``notify.email:``."""

    to: str
    from_: str = field(name="from")
    smarthost: str
    """host:port."""
    username: str | None = None
    password_file: str | None = None
    require_tls: bool = True


class NotifyConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``notify:``, where people are told. Nothing set: alerts stand in Alertmanager only."""

    slack: SlackConfig | None = None
    email: EmailConfig | None = None


Thresholds = dict[str, dict[str, float]]


class RunConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of ``runs:``: everything that ``trainwarden run NAME`` would take as options."""

    command: list[str] | None = None
    cwd: str | None = None
    checkpoints: str | None = None
    output_name: str | None = None
    recipe: str | None = None
    resume: ResumeTemplate | None = None
    profile: str | None = None
    gpus: list[int] | None = None
    nodes: int = 1
    mode: Literal["restart", "observe"] | None = None
    """By default ``receiver.mode``."""
    thresholds: Thresholds = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=Budget)


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. An absent file is the same as an empty one: the guide's numbers, loopback only."""

    exporter: ExporterConfig = field(default_factory=ExporterConfig)
    receiver: ReceiverConfig = field(default_factory=ReceiverConfig)
    notify: NotifyConfig = field(default_factory=NotifyConfig)
    thresholds: Thresholds = field(default_factory=dict)
    """Overrides for the machine, by signal and level."""
    runs: dict[str, RunConfig] = field(default_factory=dict)


def find(explicit: str | None = None) -> Path | None:
    """The file in force: ``--config``, ``$TRAINWARDEN_CONFIG``, ``./trainwarden.yml``, then the user's own."""
    named = explicit or os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    user = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "trainwarden" / FILE_NAME
    return next((path for path in (Path(FILE_NAME), user) if path.is_file()), None)


def load(path: Path | None) -> Config:
    """Read the file, or take the defaults where there is none. Raises ``ConfigurationError``."""
    return Config() if path is None else parse(read_yaml(path), str(path))


def read_yaml(path: Path) -> Any:
    """What a file of YAML holds; an empty one is an empty mapping. Raises ``ConfigurationError``."""
    import yaml  # 1 MB that an exporter without a file does not carry

    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigurationError(f"{path}: is not YAML: {place}{error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    return {} if raw is None else raw


def convert(raw: Any, shape: type[S], source: str) -> S:
    """Check a parsed file key by key and give it its shape; ``source`` names it in errors."""
    try:
        return msgspec.convert(_prepare(raw, msgspec.inspect.type_info(shape), ""), shape)
    except ConfigurationError as error:
        raise ConfigurationError(f"{source}: {error}") from error


def parse(raw: Any, source: str) -> Config:
    """Check and convert a parsed ``trainwarden.yml``; ``source`` names it in errors."""
    config = convert(raw, Config, source)
    try:
        _check_thresholds(config.thresholds, "thresholds", (*guide.MACHINE, *guide.RUN))
        for name, run in config.runs.items():
            _check_run(name, run)
    except ConfigurationError as error:
        raise ConfigurationError(f"{source}: {error}") from error
    return config


def override(config: Config, section: str, settings: dict[str, Any]) -> Config:
    """With the settings of a section that the command line gave; None: not given."""
    given = {key: value for key, value in settings.items() if value is not None}
    changed = msgspec.structs.replace(getattr(config, section), **given)
    return msgspec.structs.replace(config, **{section: changed})


def machine_thresholds(config: Config) -> dict[tuple[str, str], float]:
    """The machine's thresholds in force by (signal, level)."""
    values = {(t.signal, t.level): t.value for t in guide.MACHINE}
    return _override(values, config.thresholds)


def run_thresholds(
    config: Config, profile: str, overrides: Thresholds, median_step_seconds: float | None
) -> dict[tuple[str, str], float]:
    """One run's thresholds in force: the guide's for its profile, the machine's overrides, then its own."""
    values = guide.run_thresholds(profile, median_step_seconds)
    return _override(_override(values, config.thresholds), overrides)


def split_address(listen: str) -> tuple[str, int]:
    """Host and port of ``host:port``, ``[::1]:port``, or ``:port`` (every interface)."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ConfigurationError(f"address '{listen}': write HOST:PORT, as in 127.0.0.1:{EXPORTER_PORT}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _override(values: dict[tuple[str, str], float], overrides: Thresholds) -> dict[tuple[str, str], float]:
    given = {(signal, level): v for signal, levels in overrides.items() for level, v in levels.items()}
    return {key: given.get(key, value) for key, value in values.items()}


def _check_run(name: str, run: RunConfig) -> None:
    if not RUN_NAME.fullmatch(name):
        raise ConfigurationError(f"runs.{name}: {RUN_NAME_RULE}")
    if run.profile is not None and run.profile not in guide.PROFILES:
        raise _unknown(f"runs.{name}.profile", run.profile, guide.PROFILES, what="profile")
    _check_thresholds(run.thresholds, f"runs.{name}.thresholds", guide.RUN)
    if run.resume is not None:
        _check_resume(run.resume, f"runs.{name}.resume")


def _check_resume(resume: ResumeTemplate, path: str) -> None:
    asked = _placeholders(" ".join(resume.arguments), ("checkpoint", "epoch", "step"), f"{path}.arguments")
    if not asked:
        raise ConfigurationError(f"{path}.arguments: would begin from zero; name the checkpoint with {{checkpoint}}")
    if resume.glob is None:
        return
    told = _placeholders(resume.glob, ("epoch", "step"), f"{path}.glob")
    if len(told) != len(set(told)):
        raise ConfigurationError(f"{path}.glob: names the same placeholder twice; write * in one place")
    if "/" in resume.glob.removesuffix("/") or not resume.glob.strip("/"):
        raise ConfigurationError(
            f"{path}.glob: must name what lies in the checkpoint folder itself, as ckpt-{{step}}.pt"
        )
    for name in asked:
        if name not in (*told, "checkpoint"):
            raise ConfigurationError(f"{path}.arguments: {{{name}}} is not told by glob; write it into both or neither")


def _placeholders(text: str, allowed: tuple[str, ...], path: str) -> list[str]:
    found = re.findall(r"\{(\w*)\}", text)
    for name in found:
        if name not in allowed:
            raise _unknown(path, name, allowed, what="placeholder")
    return found


def _check_thresholds(given: Thresholds, path: str, known: tuple[guide.Threshold, ...]) -> None:
    signals = {threshold.signal for threshold in known}
    for signal, levels in given.items():
        if signal not in signals:
            raise _unknown(f"{path}.{signal}", signal, signals, what="signal")
        allowed = {threshold.level for threshold in known if threshold.signal == signal}
        for level in levels:
            if level not in allowed:
                raise _unknown(f"{path}.{signal}.{level}", level, allowed, what="level")


def _unknown(path: str, name: str, allowed: Any, what: str = "key") -> ConfigurationError:
    import difflib  # needed only to help with a mistake

    close = difflib.get_close_matches(name, list(allowed), n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    return ConfigurationError(f"{path}: unknown {what}{hint}; allowed here: {', '.join(sorted(allowed))}")


def _prepare(raw: Any, kind: msgspec.inspect.Type, path: str) -> Any:
    """Check keys and values against the type, with their paths, and turn written durations into seconds."""
    kind, is_duration = _bare(kind)
    if is_duration and isinstance(raw, str):
        return _duration(raw, path)
    if isinstance(kind, msgspec.inspect.DictType) and isinstance(raw, dict):
        return {key: _prepare(value, kind.value_type, _join(path, key)) for key, value in raw.items()}
    if isinstance(kind, msgspec.inspect.StructType):
        return _prepare_struct(raw, kind, path)
    if isinstance(kind, msgspec.inspect.FloatType) and not isinstance(raw, int | float):
        raise ConfigurationError(f"{path}: expected a number, got {raw!r}")
    return raw


def _prepare_struct(raw: Any, kind: msgspec.inspect.StructType, path: str) -> Any:
    if isinstance(raw, dict):
        fields = {f.encode_name: f.type for f in kind.fields}
        for key in raw:
            if key not in fields:
                raise _unknown(_join(path, key), str(key), fields)
        raw = {key: _prepare(value, fields[key], _join(path, key)) for key, value in raw.items()}
    try:
        # msgspec's own path has no names of mappings ("$[...].x"), so each structure is judged where its path is known.
        msgspec.convert(raw, kind.cls)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_readable(str(error), path)) from error
    return raw


def _bare(kind: msgspec.inspect.Type) -> tuple[msgspec.inspect.Type, bool]:
    """Strip annotations and ``| None``; say whether the type is a duration."""
    duration = False
    while True:
        if isinstance(kind, msgspec.inspect.Metadata):
            duration = duration or (kind.extra or {}).get("unit") == "seconds"
            kind = kind.type
        elif isinstance(kind, msgspec.inspect.UnionType):
            kind = next(t for t in kind.types if not isinstance(t, msgspec.inspect.NoneType))
        else:
            return kind, duration


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


def _duration(text: str, path: str) -> float:
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ConfigurationError(f"{path}: '{text}' is not a duration; write seconds, or 90s, 30m, 1h30m, 2d")
    parts = (float(part) if part else 0.0 for part in match.groups())
    return sum(part * unit for part, unit in zip(parts, (86400, 3600, 60, 1), strict=True))


_YAML_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
}


def _readable(message: str, path: str) -> str:
    """msgspec says ``Expected `str | null`, got `int` - at `$.a.b` ``; users read ``a.b: expected text, got …``."""
    said, _, where = message.partition(" - at `$")
    place = f"{path}{where.rstrip('`')}".lstrip(".") or "the file"
    words = re.sub(
        r"`(\w+)(?: \| null)?`", lambda found: _YAML_WORDS.get(found[1], f"'{found[1]}'"), said[0].lower() + said[1:]
    )
    return f"{place}: {words}"
