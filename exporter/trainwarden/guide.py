"""The training guide's numbers, each exactly once.

Source: *Balanced Training Configuration Guide* v1.0.0 (2025-11-15). ``trainwarden.yml`` overrides them per
machine and per run, the exporter resolves the overrides and exports every one as a series, and the alert
rules and dashboards compare against those series. 1 GB is 1024³ bytes and 1 MB is 1024² bytes, as ``free -h``
and ``nvidia-smi`` print them.
"""

from enum import Enum
from typing import NamedTuple

MIB = 1024**2
GIB = 1024**3


class Threshold(NamedTuple):
    """One number that an alert or a dashboard compares a signal with."""

    signal: str
    """What is measured; the name ends in the unit (``_ratio`` is 0 to 1)."""
    level: str
    value: float
    section: str
    """Where the guide says so; ``trainwarden`` where the guide is silent."""
    meaning: str


class Source(str, Enum):
    """Who decided the value of a threshold that is in force."""

    GUIDE = "guide"
    """The training guide."""
    TRAINWARDEN = "trainwarden"
    """Trainwarden itself, where the guide is silent."""
    PROFILE = "profile"
    """The guide's number, as the run's profile changes it (guide §3)."""
    RHYTHM = "rhythm"
    """The run's own median step, or the time between its own saves."""
    MACHINE = "machine"
    """``thresholds:`` in ``trainwarden.yml``."""
    RUN = "run"
    """``thresholds`` of the run's own ``run.json``, which a ``runs:`` entry was written into at its launch."""


class InForce(NamedTuple):
    """A threshold as it is compared with."""

    value: float
    source: Source
    where: str
    """The place to look at, or to change it in: ``guide §1``, ``profile conservative`` …"""


Table = dict[tuple[str, str], InForce]
"""Thresholds in force by (signal, level)."""


# Machine-wide, exported as trainwarden_threshold{signal,level}.
MACHINE = (
    Threshold("memory_used_ratio", "warning", 0.70, "guide §1", "RAM used, share of total"),
    Threshold("memory_used_ratio", "advice", 0.80, "guide §1, §2.1", "consider a lower configuration"),
    Threshold("memory_used_ratio", "danger", 0.85, "guide §1", "RAM used, share of total"),
    Threshold("memory_available_bytes", "preflight", 10 * GIB, "guide §1, §4", "needed before a run starts"),
    Threshold("memory_available_bytes", "warning", 8 * GIB, "guide §1", "RAM available, below"),
    Threshold("memory_available_bytes", "danger", 4 * GIB, "guide §1", "RAM available, below"),
    Threshold("swap_used_bytes", "warning", 500 * MIB, "guide §1", "swap used, above"),
    Threshold("swap_used_bytes", "danger", 2 * GIB, "guide §1", "swap used, above"),
    Threshold("gpu_temperature_celsius", "warning", 75.0, "guide §1", "GPU core temperature, above"),
    Threshold("gpu_temperature_celsius", "danger", 85.0, "guide §1", "GPU core temperature, above"),
    Threshold("swap_in_bytes_per_second", "warning", 1 * MIB, "trainwarden", "read back from swap, above"),
    Threshold("memory_waiting_ratio", "warning", 0.10, "trainwarden", "time in which some task waited for memory"),
    Threshold("memory_stalled_ratio", "danger", 0.05, "trainwarden", "time in which every task waited for memory"),
    Threshold(
        "gpu_throttled_ratio", "warning", 0.20, "trainwarden", "time in which heat or power held the clocks down"
    ),
    Threshold("clock_skew_seconds", "warning", 5.0, "trainwarden", "between exporter and Prometheus, either way"),
)

# Per run, exported as trainwarden_run_threshold{run,signal,level}.
RUN = (
    Threshold("gpu_memory_used_ratio", "low", 0.90, "guide §1", "VRAM below the band of a balanced run"),
    Threshold("gpu_memory_used_ratio", "high", 0.98, "guide §1", "VRAM above the band"),
    Threshold("gpu_utilization_ratio", "target", 0.95, "guide §1", "GPU utilisation while training, above"),
    Threshold("gpu_utilization_ratio", "idle", 0.05, "guide §1", "GPU utilisation of a hung run, at most"),
    Threshold("step_duration_seconds", "expected", 2.5, "guide §1", "what a step takes"),
    Threshold("step_duration_seconds", "warning", 3.0, "guide §1", "a step takes longer: too slow"),
    Threshold("checkpoint_age_seconds", "hung", 30 * 60.0, "guide §1", "with an idle GPU: hung"),
    Threshold(
        "checkpoint_age_seconds",
        "overdue",
        1.5 * 70 * 60,
        "guide §1",
        "1.5 × two epochs, or the time between its saves",
    ),
    Threshold("step_age_seconds", "stalled", 600.0, "trainwarden", "or 20 × the run's median step"),
    Threshold("phase_age_seconds", "warning", 3600.0, "trainwarden", "a live phase other than training"),
    Threshold("gpu_foreign_processes", "warning", 0.0, "guide §4", "other processes on the run's GPU, above"),
    Threshold("launch_age_seconds", "gradient_checkpointing", 6 * 3600.0, "guide §3", "with it under WSL2: risky"),
    Threshold("step_duration_medians", "warning", 1.5, "trainwarden", "a step, in medians of the run's own, above"),
    Threshold("nonfinite_losses_ratio", "danger", 0.5, "trainwarden", "share of steps whose loss is no number"),
    Threshold("checkpoint_room_sizes", "warning", 1.5, "trainwarden", "disk left, in sizes of a checkpoint, below"),
    Threshold("checkpoint_room_sizes", "danger", 1.0, "trainwarden", "disk left, in sizes of a checkpoint, below"),
    Threshold("checkpoint_inodes_ratio", "warning", 0.05, "trainwarden", "inodes left where the run saves, below"),
    Threshold("restart_budget", "low", 1.0, "trainwarden", "restarts left before a human is called, at most"),
)

OVERDUE_SAVES = 1.5
"""A checkpoint is overdue after so many times the longest that the run took between two saves, once it has saved twice;
but never sooner than a checkpoint counts as old at all (``checkpoint_age_seconds: hung``)."""
STALLED_MEDIANS = 20
"""A run is stalled after this many of its own median steps, if that is longer than ``step_age_seconds``."""


class Profile(NamedTuple):
    """How one of the guide's three configurations differs in what is normal for it (guide §3)."""

    speed: float
    """Relative to balanced: conservative is 30 % slower, aggressive 15 % faster."""
    gpu_memory_low_ratio: float | None
    """Lower edge of the expected VRAM share on the guide's 16.3 GB card; None where the guide's band holds."""


PROFILES = {
    "conservative": Profile(speed=0.70, gpu_memory_low_ratio=0.73),  # 12 of 16.3 GB
    "balanced": Profile(speed=1.0, gpu_memory_low_ratio=None),
    "aggressive": Profile(speed=1.15, gpu_memory_low_ratio=None),
}


def machine_thresholds() -> Table:
    """The machine's thresholds before overrides."""
    return {(t.signal, t.level): _of_table(t) for t in MACHINE}


def run_thresholds(
    profile: str, median_step_seconds: float | None = None, saves_apart_seconds: float | None = None
) -> Table:
    """The thresholds of one run, for its profile and its own rhythm, before overrides."""
    table = {(t.signal, t.level): _of_table(t) for t in RUN}
    table |= _of_profile(profile, table)
    stalled = ("step_age_seconds", "stalled")
    if median_step_seconds is not None and STALLED_MEDIANS * median_step_seconds > table[stalled].value:
        where = f"{STALLED_MEDIANS} × the run's median step of {median_step_seconds:.3g} s"
        table[stalled] = InForce(STALLED_MEDIANS * median_step_seconds, Source.RHYTHM, where)
    if saves_apart_seconds is not None:
        soonest = table["checkpoint_age_seconds", "hung"].value
        table["checkpoint_age_seconds", "overdue"] = _of_saves(saves_apart_seconds, soonest)
    return table


def _of_saves(apart: float, soonest: float) -> InForce:
    """When the next save is overdue; all in seconds."""
    where = f"{OVERDUE_SAVES} × the {apart / 60:.3g} min between the run's own saves"
    if OVERDUE_SAVES * apart < soonest:
        where = f"the run saves every {apart / 60:.3g} min, and {soonest / 60:.3g} min are not old yet"
    return InForce(max(OVERDUE_SAVES * apart, soonest), Source.RHYTHM, where)


def _of_table(threshold: Threshold) -> InForce:
    source = Source.TRAINWARDEN if threshold.section == Source.TRAINWARDEN.value else Source.GUIDE
    return InForce(threshold.value, source, threshold.section)


def _of_profile(profile: str, table: Table) -> Table:
    """What is different for this profile."""
    chosen = PROFILES[profile]
    values: dict[tuple[str, str], float] = {}
    if chosen.speed != 1.0:
        steps = [("step_duration_seconds", level) for level in ("expected", "warning")]
        slower = [*steps, ("checkpoint_age_seconds", "overdue")]  # two epochs take as much longer as a step does
        values = {key: table[key].value / chosen.speed for key in slower}
    if chosen.gpu_memory_low_ratio is not None:
        values["gpu_memory_used_ratio", "low"] = chosen.gpu_memory_low_ratio
    return {key: InForce(value, Source.PROFILE, f"profile {profile}, guide §3") for key, value in values.items()}
