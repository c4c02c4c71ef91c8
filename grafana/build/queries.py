"""The questions that the dashboards put to Prometheus.

Selectors are built from ``trainwarden.names`` and ``trainwarden.guide``: a family, a label or a threshold that is
renamed there breaks the build here, and not a panel in front of a user. No number of the guide stands in a
dashboard; the lines and bands are drawn from the threshold series, so that they show what is in force.
"""

from enum import Enum

from trainwarden import guide, names
from trainwarden.names import Family


def machine(family: Family, **labels: str) -> str:
    """A selector of the chosen machine's series."""
    return _select(family, labels)


def run(family: Family, suffix: str = "", **labels: str) -> str:
    """A selector of the chosen run's series; ``suffix`` picks a histogram's ``_bucket``, ``_sum`` or ``_count``."""
    return _select(family, {"run": "$run", **labels}, suffix)


def machine_threshold(signal: str, level: str) -> str:
    """The machine's threshold in force."""
    _check(guide.MACHINE, signal, level)
    return machine(names.THRESHOLD, signal=signal, level=level)


def run_threshold(signal: str, level: str) -> str:
    """The run's threshold in force."""
    _check(guide.RUN, signal, level)
    return run(names.RUN_THRESHOLD, signal=signal, level=level)


def on_gpus_of_run(expression: str) -> str:
    """What ``expression`` says about the GPUs that the run uses; nothing where they are not known."""
    return f"{expression} * on(instance, gpu, uuid) {run(names.RUN_GPU)}"


def share(part: str, whole: str) -> str:
    """``part`` of ``whole``, 0 to 1; the two may come from different jobs."""
    return f"{part} / on(instance) {whole}"


def age(timestamp: str) -> str:
    """Seconds since a timestamp."""
    return f"time() - {timestamp}"


def in_milliseconds(timestamp: str) -> str:
    """A timestamp as Grafana's annotations want it."""
    return f"{timestamp} * 1000"


def in_hours(seconds: str) -> str:
    """For an axis: in seconds its ticks would fall on 16.7 and 33.3 minutes."""
    return f"({seconds}) / 3600"


def numbered(family: Family, label: str, numbers: dict[Enum, int]) -> str:
    """A state set of the run as the number of the state that holds: Grafana colours numbers, not labels."""
    states = (f"{run(family, **{label: state.value})} * {number}" for state, number in numbers.items())
    return f"max by (instance, run) ({' or '.join(states)})"


def generation() -> str:
    """The launch that the run is in, as the label ``generation``."""
    return f"topk(1, {run(names.RUN_START)})"


def recent_step_time() -> str:
    """The mean step of the last minutes, as the alert for slow steps takes it; nothing while no step is taken.

    Not the histogram's median: half a second wide, its buckets would put 2.46 s at 2.36 s.
    """
    total, count = run(names.RUN_STEP_DURATION, "_sum"), run(names.RUN_STEP_DURATION, "_count")
    return f"rate({total}[$__rate_interval]) / rate({count}[$__rate_interval]) > 0"


def remaining_seconds() -> str:
    """Steps left over the pace of 15 minutes, the time before the first step left out.

    By ``deriv``: ``rate`` would take the step back at a resume for a counter's reset. There is no estimate for as long
    as the window holds such a step back, nor where no step was taken for 5 minutes.
    """
    step = run(names.RUN_STEP)
    left = f"({run(names.RUN_MAX_STEPS)} - on(instance, run) {step})"
    pace = f"(deriv(({step} > 0)[15m:]) > 0)"
    steady = f"(changes({step}[5m]) > 0 unless resets({step}[15m]) > 0)"
    return f"{left} / on(instance, run) {pace} and on(instance, run) {steady}"


def gpu_is_idle() -> str:
    """True (a sample) where the run's GPUs have been as idle as those of a hung run for 10 minutes.

    By a quantile: a desktop on the same card shows a spike now and then, and a maximum would be blinded by it.
    """
    utilization = f"quantile_over_time(0.85, {machine(names.GPU_UTILIZATION)}[10m])"
    busiest = f"max by (instance, run) ({utilization} * on(instance, gpu, uuid) group_left(run) {run(names.RUN_GPU)})"
    return f"{busiest} <= on(instance, run) {run_threshold('gpu_utilization_ratio', 'idle')}"


def checkpoint_age() -> str:
    """Age of the newest whole checkpoint."""
    return age(run(names.CHECKPOINT_LAST_VALID_TIME))


def fresh_checkpoint() -> str:
    """The checkpoint's age while it is within the guide's limit."""
    return f"{checkpoint_age()} <= on(instance, run) {_hung_age()}"


def old_checkpoint() -> str:
    """The checkpoint's age beyond the limit while the GPU works: what every healthy run shows between two saves."""
    return f"{checkpoint_age()} > on(instance, run) {_hung_age()} unless on(instance, run) ({gpu_is_idle()})"


def hung_checkpoint() -> str:
    """The checkpoint's age beyond the limit while the GPU is idle: the guide's sign of a hang."""
    return f"{checkpoint_age()} > on(instance, run) {_hung_age()} and on(instance, run) ({gpu_is_idle()})"


def critical_alert_number(quiet: int, other: int, numbers: dict[str, int]) -> str:
    """The number of the critical alert that fires for the run or its machine: the highest, ``quiet`` for none."""
    not_named = "|".join(numbers)
    rest = _firing('severity="critical"', f'alertname!~"{not_named}"')
    parts = [f"({rest}) * {other}"]
    for alert, number in numbers.items():
        named = _firing(f'alertname="{alert}"')
        parts.append(f"({named}) * {number}")
    return f"max({' or '.join(parts)}) or vector({quiet})"


def firing_since() -> str:
    """Seconds since each firing alert of the run or its machine began to hold, one row an alert."""
    began = _of_run_or_machine("ALERTS_FOR_STATE")
    return f"max by (alertname, severity, gpu) (time() - ({began}) and ignoring(alertstate) ({_firing()}))"


def _firing(*matchers: str) -> str:
    return _of_run_or_machine("ALERTS", 'alertstate="firing"', *matchers)


def _of_run_or_machine(series: str, *matchers: str) -> str:
    """Prometheus' own series about alerts; those of a machine carry no run."""
    common = ", ".join(('instance="$instance"', *matchers))
    return f'{series}{{{common}, run="$run"}} or {series}{{{common}, run=""}}'


def _hung_age() -> str:
    return run_threshold("checkpoint_age_seconds", "hung")


def _select(family: Family, labels: dict[str, str], suffix: str = "") -> str:
    unknown = set(labels) - set(family.labels)
    if unknown:
        raise ValueError(f"{family.name} has no label {', '.join(sorted(unknown))}")
    matchers = ", ".join(f'{label}="{value}"' for label, value in {"instance": "$instance", **labels}.items())
    return f"{family.name}{suffix}{{{matchers}}}"


def _check(thresholds: tuple[guide.Threshold, ...], signal: str, level: str) -> None:
    if not any((known.signal, known.level) == (signal, level) for known in thresholds):
        raise ValueError(f"the guide has no threshold {signal}/{level}")
