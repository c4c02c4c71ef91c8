"""What the types of ``trainwarden.yml`` cannot say: names that exist, templates that hold together."""

import math
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise

from trainwarden import guide
from trainwarden.config.notify import check_url
from trainwarden.config.reading import unknown
from trainwarden.config.shape import ExporterConfig, ReceiverConfig, RunConfig, Thresholds
from trainwarden.errors import ConfigurationError
from trainwarden.launching import Launching
from trainwarden.model import ResumeTemplate
from trainwarden.names import EXPORTER_PORT, RUN_NAME, RUN_NAME_RULE


def check_services(exporter: ExporterConfig, receiver: ReceiverConfig) -> None:
    """Raise ``ConfigurationError`` for an address or a path at which nothing could answer."""
    for edge, settings in (("exporter", exporter), ("receiver", receiver)):
        try:
            split_address(settings.listen)
        except ConfigurationError as error:
            raise ConfigurationError(f"{edge}.listen: {error}") from error
        check_telemetry_path(edge, settings.telemetry_path)
    check_url(receiver.exporter_url, "receiver.exporter_url")


def split_address(listen: str) -> tuple[str, int]:
    """Host and port of ``host:port``, ``[::1]:port``, or ``:port`` (every interface)."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ConfigurationError(f"address '{listen}': write HOST:PORT, as in 127.0.0.1:{EXPORTER_PORT}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def check_telemetry_path(edge: str, path: str, taken: Iterable[str] = ()) -> None:
    """Raise ``ConfigurationError`` where the metrics cannot be at that path; ``taken`` are those of other pages."""
    if not re.fullmatch(r"/[!-~]*", path) or "?" in path or path in taken:
        others = f" that is none of {', '.join(sorted(taken))}" if taken else ""
        raise ConfigurationError(
            f"{edge}.telemetry_path: '{path}' cannot be the place of the metrics; write a path like /metrics{others}"
        )


def check_run(name: str, run: RunConfig) -> None:
    """Raise ``ConfigurationError`` for an entry of ``runs:`` that could not be meant."""
    if not RUN_NAME.fullmatch(name):
        raise ConfigurationError(f"runs.{name}: {RUN_NAME_RULE}")
    if run.profile is not None and run.profile not in guide.PROFILES:
        raise unknown(f"runs.{name}.profile", run.profile, guide.PROFILES, what="profile")
    if run.launcher is not None and len(run.launcher.chosen()) != 1:
        raise ConfigurationError(f"runs.{name}.launcher: name exactly one of {', '.join(Launching.__struct_fields__)}")
    check_thresholds(run.thresholds, f"runs.{name}.thresholds", guide.RUN)
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
            raise unknown(path, name, allowed, what="placeholder")
    return found


def check_thresholds(given: Thresholds, path: str, known: tuple[guide.Threshold, ...]) -> None:
    """Raise ``ConfigurationError`` for a threshold that nothing compares with."""
    signals = {threshold.signal for threshold in known}
    for signal, levels in given.items():
        if signal not in signals:
            raise unknown(f"{path}.{signal}", signal, signals, what="signal")
        allowed = {threshold.level for threshold in known if threshold.signal == signal}
        for level, value in levels.items():
            if level not in allowed:
                raise unknown(f"{path}.{signal}.{level}", level, allowed, what="level")
            _check_value(value, signal, f"{path}.{signal}.{level}")
        _check_order([threshold for threshold in known if threshold.signal == signal], levels, f"{path}.{signal}")


def _check_value(value: float, signal: str, path: str) -> None:
    """Raise ``ConfigurationError`` for a number that the signal never has: an alert by it would be silent for ever,
    or, as an idle GPU at 5 instead of 0.05, stand for ever."""
    if signal.endswith("_ratio") and not 0 <= value <= 1:
        raise ConfigurationError(f"{path}: {value:g} is no share, which goes from 0 to 1; write 0.7 for 70 %")
    if not 0 <= value < math.inf:
        raise ConfigurationError(f"{path}: {value:g} is none that {signal} can have; write a number from 0 on")


def _check_order(levels: list[guide.Threshold], given: Mapping[str, float], path: str) -> None:
    """Raise ``ConfigurationError`` where two levels stand the other way round than in the guide's table."""
    named = [threshold for threshold in levels if threshold.level in given]
    for mild, severe in pairwise(named):
        if (given[severe.level] - given[mild.level]) * (severe.value - mild.value) < 0:
            wrong = "above" if severe.value < mild.value else "below"
            raise ConfigurationError(
                f"{path}: {severe.level} must not be {wrong} {mild.level}; exchange them, or remove one"
            )
