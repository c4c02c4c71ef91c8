"""What else is scraped in every night, and says that all is well: a night changes of it what it is about.

``key`` is ``story.key``: a series as promtool writes it.
"""

from collections.abc import Callable, Iterator

from trainwarden import guide, names
from trainwarden.restart.states import CallReason, RestartReason, State

Key = Callable[..., str]
Told = Iterator[tuple[str, float]]

CHECKPOINT_BYTES = 0.87 * guide.GIB
"""The guide's three take 2.6 GB."""
DISK_BYTES, DISK_INODES = 200 * guide.GIB, 10_000_000
THROTTLES = ("sw_power_cap", "sw_thermal_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown")
COLLECTORS = ("host", "gpu", "runs", "checkpoints", "thresholds")
RECEIVER = "trainwarden-receiver"


def machine(key: Key, seconds: float) -> Told:
    """Of the exporter, beside what the night itself tells of the machine."""
    yield key(names.HOST_INFO, "linux", "6.1.0-28-amd64"), 1
    yield key(names.HOST_SWAP_IN), 49152
    yield key(names.HOST_PRESSURE_WAITING), 4.25
    yield key(names.HOST_PRESSURE_STALLED), 1.5
    yield key(names.HOST_OOM_KILLS), 1
    for collector in COLLECTORS:
        yield key(names.COLLECTOR_SUCCESS, collector), 1
        yield key(names.COLLECTOR_LAST_SUCCESS, collector), seconds


def gpu(key: Key, gpu: tuple[str, str]) -> Told:
    """Of the one card, while its driver answers."""
    yield key(names.GPUS), 1
    yield key(names.GPUS_EXPECTED), 1
    yield key(names.GPU_UP, *gpu), 1
    for reason in THROTTLES:
        yield key(names.GPU_THROTTLE_ACTIVE, *gpu, reason), float(reason == "sw_power_cap")


def run(key: Key, name: str, gpu: tuple[str, str]) -> Told:
    """Of one run: its disk, its settings, and what the receiver says while there is nothing to do."""
    yield key(names.RUN_NONFINITE_LOSSES, name), 0
    yield key(names.RUN_FOREIGN_PROCESSES, name, *gpu), 0
    yield key(names.RUN_SETTING, name, "gradient_checkpointing"), 0
    yield key(names.CHECKPOINT_FOLDER_UP, name), 1
    yield key(names.CHECKPOINT_DISK_FREE, name), DISK_BYTES
    yield key(names.CHECKPOINT_INODES, name), DISK_INODES
    yield key(names.CHECKPOINT_INODES_FREE, name), DISK_INODES / 2
    for state in State:
        yield key(names.RESTART_STATE, name, state.value, job=RECEIVER), float(state is State.WATCHING)
    for reason in (CallReason.LEDGER_UNREADABLE, CallReason.LEDGER_UNWRITABLE):
        yield key(names.NEEDS_HUMAN, name, reason.value, job=RECEIVER), 0
    for restart in RestartReason:
        yield key(names.RESTARTS, name, restart.value, job=RECEIVER), 0
    yield key(names.RESTART_BUDGET, name, job=RECEIVER), 3


UPSTREAM = {
    "prometheus_notifications_alertmanagers_discovered": ("prometheus", {}),
    "prometheus_notifications_dropped_total": ("prometheus", {}),
    "prometheus_rule_evaluation_failures_total": ("prometheus", {"rule_group": "/rules/run.yml;trainwarden-run"}),
    "prometheus_rule_group_iterations_missed_total": (
        "prometheus",
        {"rule_group": "/rules/run.yml;trainwarden-run"},
    ),
    "prometheus_config_last_reload_successful": ("prometheus", {}),
    "alertmanager_notifications_failed_total": ("alertmanager", {"integration": "webhook"}),
    "alertmanager_config_last_reload_successful": ("alertmanager", {}),
}
"""Metrics of Prometheus and Alertmanager themselves that the rules ask for: job, and the labels of one series."""


def upstream(metric: str, instance: str = "workstation", **labels: str) -> str:
    """A series of one of them."""
    job, usual = UPSTREAM[metric]
    pairs = {**usual, **labels, "instance": instance, "job": job}
    inside = ",".join(f'{name}="{value}"' for name, value in pairs.items())
    return f"{metric}{{{inside}}}"


def delivery(instance: str) -> Told:
    """Of Prometheus and Alertmanager: they answer, and nothing has failed."""
    for job in ("prometheus", "alertmanager"):
        yield f'up{{instance="{instance}",job="{job}"}}', 1
    for metric in UPSTREAM:
        yield upstream(metric, instance), float(not metric.endswith("_total"))
