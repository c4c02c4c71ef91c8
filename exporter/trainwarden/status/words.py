"""A report in words: numbers in the units in which the guide writes them, times as ages."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import PurePath

from trainwarden import units
from trainwarden.status.report import Run, Saved, Signal

_TITLES = {
    "memory_used_ratio": "RAM used",
    "memory_available_bytes": "RAM available",
    "swap_used_bytes": "swap used",
    "gpu_temperature_celsius": "temperature",
    "gpu_memory_used_ratio": "VRAM",
    "gpu_utilization_ratio": "utilisation",
    "gpu_power_watts": "power",
    "gpu_foreign_processes": "others on GPU",
    "step_duration_seconds": "step takes",
    "step_age_seconds": "last step",
    "phase_age_seconds": "phase",
    "checkpoint_age_seconds": "unsaved",
    "checkpoint_room_sizes": "room",
}
_LIMITS = {
    "expected": "expected {}",
    "warning": "warning at {}",
    "stalled": "stalled after {}",
    "overdue": "overdue after {}",
    "danger": "danger at {}",
}
"""Of the thresholds of a run's signals, those that are said beside them."""


def title(signal: Signal, *, shared: bool = False) -> str:
    """What a signal is called; ``shared``: with the run by whose thresholds it is judged."""
    name = _TITLES[signal.signal]
    return f"{name} ({signal.run})" if shared else name


def now(signal: Signal) -> str:
    """The value, and of what."""
    if signal.signal == "gpu_power_watts":
        return f"{signal.value:.0f} W" if signal.total is None else f"{signal.value:.0f} of {signal.total:.0f} W"
    if signal.signal == "checkpoint_room_sizes":
        return f"for {_count(int(signal.value), 'checkpoint', 's')} more"
    if signal.signal.endswith("_ratio"):
        said = f"{signal.value * 100:.3g} %"
    elif signal.signal.endswith("_age_seconds"):
        said = age(signal.value)
    else:
        said = units.of(signal.value, signal.signal)
    return said if signal.total is None else f"{said} of {units.size(signal.total)}"


def age(seconds: float) -> str:
    """As a duration, to the second."""
    return units.duration(float(round(seconds)))


def beside_limits(signal: Signal) -> str:
    """A run's signal and what it is compared with."""
    limits = (
        text.format(units.of(signal.limits[level], signal.signal))
        for level, text in _LIMITS.items()
        if level in signal.limits
    )
    return ", ".join([now(signal), *limits])


def state(name: str, run: Run, at: float) -> str:
    """Phase and generation; where the restart stands; who keeps hands off."""
    phase = f"{run.phase or 'nothing is known of its steps'}, generation {run.generation}"
    told = {
        phase if run.live else ended(run, at): True,
        f"restart: {run.state}": run.state,
        "its ledger cannot be read, so it is left alone": not run.state,
        f"held: {run.held_for}": run.held_for,
        f"calls a human: {run.needs_human}": run.needs_human,
        f"paused until trainwarden resume {name}": run.paused,
        "mode: observe": run.observed,
        "attached: watched, and never touched": run.attached,
    }
    return "; ".join(text for text, holds in told.items() if holds)


def ended(run: Run, at: float) -> str:
    """How and when a run ended, and where."""
    parts = [run.phase or "over"]
    if run.phase_since is not None:
        parts[0] += f" {age(at - run.phase_since)} ago"
    if run.step is not None:
        parts.append(f"step {_of(run.step, run.max_steps)}")
    parts.append(f"generation {run.generation}")
    if run.exit_code is not None:
        parts.append(f"exit code {run.exit_code}")
    return ", ".join(parts)


def progress(run: Run, at: float) -> Iterator[tuple[str, str]]:
    """Step, epoch and what is left."""
    if run.step is not None:
        parts = [_of(run.step, run.max_steps)]
        if run.max_steps:
            parts[0] += f" ({100 * run.step / run.max_steps:.0f} %)"
        if run.epoch is not None:
            parts.append(f"epoch {_of(run.epoch, run.max_epochs)}")
        yield "step", ", ".join(parts)
    if run.remaining_seconds is not None:
        until = datetime.fromtimestamp(at + run.remaining_seconds).astimezone()
        yield "left", f"{age(run.remaining_seconds)}, until {until:%a %H:%M}"


def checkpoint(saved: Saved, at: float) -> str:
    """One checkpoint, but for its verdict."""
    where = (
        f"epoch {saved.epoch}" if saved.epoch is not None else f"step {saved.step}" if saved.step is not None else ""
    )
    parts = (PurePath(saved.path).name, where, f"{age(at - saved.at)} ago", units.size(saved.size_bytes), saved.reason)
    return ", ".join(filter(None, parts))


def rest(run: Run) -> Iterator[tuple[str, str]]:
    """Loss, memory, samples, what is amiss, restarts."""
    if run.loss is not None:
        yield "loss", f"{run.loss:.4g}"
    if run.memory_bytes is not None:
        yield "memory", f"{units.size(run.memory_bytes)}, {_count(run.processes or 0, 'process', 'es')}"
    if run.sample_images is not None:
        yield "samples", _count(run.sample_images, "image", "s")
    if run.ended_because:
        yield "ended", run.ended_because
    if run.not_resumable:
        yield "no resume", run.not_resumable
    if run.gpus_unknown:
        yield "GPUs", run.gpus_unknown
    if run.errors:
        yield "errors", ", ".join(f"{kind} {count}" for kind, count in run.errors.items())
    if run.restarts is not None and run.restarts_left is not None:
        yield "restarts", f"{run.restarts}, and {run.restarts_left} left before a human is called"


def _of(value: int, most: int | None) -> str:
    return f"{value:,}" if most is None else f"{value:,} of {most:,}"


def _count(number: int, noun: str, plural: str) -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"
