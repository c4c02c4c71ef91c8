"""A night as Prometheus would remember it: a balanced run that goes well, hangs, is resumed, and goes on.

Synthetic, with the labels of ``trainwarden.names``: every family that a dashboard asks for is in it. Written as
OpenMetrics for ``promtool tsdb create-blocks-from``.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from statistics import median
from typing import NamedTuple

from trainwarden import guide, names
from trainwarden.guide import GIB, MIB
from trainwarden.model import STEP_BUCKETS, ErrorKind, Phase
from trainwarden.names import Family
from trainwarden.restart.states import CallReason, HoldReason, State

BEGIN = 1_767_999_000  # 2026-01-09 22:50 UTC
HANG = 4 * 3600 + 11 * 60
ALERT = HANG + 13 * 60
STOP = ALERT + 60
RELAUNCH = STOP + 120
END = 7 * 3600 + 10 * 60
"""Seconds after ``BEGIN``."""

INSTANCE, RUN = "workstation", "portrait-lora"
EXPORTER, RECEIVER = "trainwarden", "trainwarden-receiver"
LOADING, CACHING = 40, 300
EPOCH, EPOCHS = 855, 12
RESUMED_AT = 6 * EPOCH
RAM, VRAM = 30 * GIB, 16.3 * GIB


class Sample(NamedTuple):
    """One sample of a scrape."""

    name: str
    labels: dict[str, str]
    value: float


@dataclass
class Trainer:
    """The run as it advances: its steps and saves, and what they do to the machine."""

    chance: random.Random = field(default_factory=lambda: random.Random(7))
    generation: int = 1
    launched: float = 0.0
    clock: float = LOADING + CACHING
    """When the last step was taken."""
    step: int = 0
    taken: list[float] = field(default_factory=list)
    """Durations of this generation's steps."""
    saves: list[float] = field(default_factory=list)
    lost: int = 0
    """Steps that had to be taken again."""
    temperature: float = 41.0

    def advance(self, now: float) -> None:
        """Live until ``now``."""
        if now >= RELAUNCH and self.generation == 1:
            self.lost = self.step - RESUMED_AT
            self.generation, self.launched, self.step, self.taken = 2, RELAUNCH, RESUMED_AT, []
            self.clock = RELAUNCH + LOADING + CACHING / 2
        while self.steps_at(now) and self.clock < now:
            self.taken.append(self.chance.gauss(2.46, 0.09) + (0.35 if self.chance.random() < 0.01 else 0.0))
            self.clock += self.taken[-1]
            self.step += 1
            if self.step % (2 * EPOCH) == 0:
                self.saves.append(self.clock)
                self.clock += 20
        target = 67 + 3 * math.sin(now / 5000) if self.steps_at(now) else 41
        self.temperature += (target - self.temperature) * 0.15

    def steps_at(self, now: float) -> bool:
        """Whether the GPU works at ``now``."""
        return self.phase(now) is Phase.TRAINING and not HANG <= now < STOP

    def phase(self, now: float) -> Phase:
        """What the run says that it does."""
        if STOP <= now < RELAUNCH:
            return Phase.STOPPED
        if now < self.launched + LOADING:
            return Phase.STARTING
        if now < self.launched + LOADING + (CACHING if self.generation == 1 else CACHING / 2):
            return Phase.CACHING
        return Phase.CHECKPOINTING if self.saves and 0 <= now - self.saves[-1] < 20 else Phase.TRAINING


def openmetrics(every: float = 15.0, end: float = END) -> Iterator[str]:
    """The night as OpenMetrics text, scraped ``every`` so many seconds, up to ``end`` seconds after its beginning."""
    remembered: dict[str, dict[tuple[tuple[str, str], ...], list[tuple[float, float]]]] = {}
    trainer = Trainer()
    for tick in range(int(end / every) + 1):
        now = tick * every
        trainer.advance(now)
        for name, labels, value in scrape(trainer, now):
            series = remembered.setdefault(name, {}).setdefault(tuple(labels.items()), [])
            series.append((BEGIN + now, value))
    for name, of_name in remembered.items():
        yield f"# TYPE {name.removesuffix('_total')} {_kind(name)}\n"
        for labels, samples in of_name.items():
            text = ",".join(f'{key}="{value}"' for key, value in labels)
            yield from (f"{name}{{{text}}} {value!r} {at}\n" for at, value in samples)
    yield "# EOF\n"


def scrape(trainer: Trainer, now: float) -> Iterator[Sample]:
    """Everything that Prometheus takes in at one moment: both programs, and its own series about alerts."""
    for job, samples in ((EXPORTER, _exporter(trainer, now)), (RECEIVER, _receiver(trainer, now))):
        for sample in samples:
            yield sample._replace(labels={"instance": INSTANCE, "job": job, **sample.labels})
    yield from _alerts(trainer, now)


def used_share(trainer: Trainer, now: float) -> float:
    """RAM used: it creeps up with the hours, and somebody opened a browser before the relaunch."""
    return (0.55 if trainer.generation == 1 else 0.62) + 0.035 * (now - trainer.launched) / 3600


def _exporter(trainer: Trainer, now: float) -> Iterator[Sample]:
    yield _of(names.BUILD_INFO, 1, version="0.1.0")
    yield from _host(trainer, now)
    yield from _gpu(trainer, now)
    yield from _run(trainer, now)
    yield from _steps(trainer)
    yield from _checkpoints(trainer, now)
    yield from (_of(names.THRESHOLD, t.value, signal=t.signal, level=t.level) for t in guide.MACHINE)
    for (signal, level), in_force in guide.run_thresholds("balanced", 2.46).items():
        yield _of(names.RUN_THRESHOLD, in_force.value, run=RUN, signal=signal, level=level)
    for collector in ("host", "gpu", "runs", "checkpoints"):
        yield _of(names.COLLECTOR_SUCCESS, 1, collector=collector)
        yield _of(names.COLLECTOR_DURATION, 0.004, collector=collector)
        yield _of(names.COLLECTOR_LAST_SUCCESS, BEGIN + now, collector=collector)


def _host(trainer: Trainer, now: float) -> Iterator[Sample]:
    yield _of(names.HOST_MEMORY_TOTAL, RAM)
    yield _of(names.HOST_MEMORY_AVAILABLE, RAM * (1 - used_share(trainer, now)))
    yield _of(names.HOST_SWAP_TOTAL, 8 * GIB)
    yield _of(names.HOST_SWAP_USED, (283 + 8 * now / 3600) * MIB)


def _gpu(trainer: Trainer, now: float) -> Iterator[Sample]:
    labels = {"gpu": "0", "uuid": "GPU-4f1c"}
    works, loaded = trainer.steps_at(now), trainer.phase(now).live and trainer.phase(now) is not Phase.STARTING
    used = VRAM * (
        (0.955 + trainer.chance.uniform(-0.004, 0.004)) if works or HANG <= now < STOP else 0.6 if loaded else 0.04
    )
    busy = trainer.chance.uniform(0.965, 1) if works else 0.12 if trainer.chance.random() < 0.03 else 0.01
    yield _of(names.GPUS, 1)
    card = {"name": "NVIDIA GeForce RTX 4080", "driver_version": "550.90", "pci_bus_id": "00000000:01:00.0"}
    yield _of(names.GPU_INFO, 1, **labels, **card)
    yield _of(names.GPU_UP, 1, **labels)
    yield _of(names.GPU_UTILIZATION, busy, **labels)
    yield _of(names.GPU_MEMORY_TOTAL, VRAM, **labels)
    yield _of(names.GPU_MEMORY_USED, used, **labels)
    yield _of(names.GPU_MEMORY_FREE, VRAM - used, **labels)
    yield _of(names.GPU_TEMPERATURE, round(trainer.temperature), **labels, sensor="gpu")
    yield _of(names.GPU_POWER, (270 if works else 30) + trainer.chance.uniform(-6, 6), **labels)
    yield _of(names.GPU_PROCESSES, 1, **labels)
    yield _of(names.RUN_GPU, 1, run=RUN, **labels)


def _run(trainer: Trainer, now: float) -> Iterator[Sample]:
    phase, generation = trainer.phase(now), str(trainer.generation)
    lives = float(phase.live)
    about = {"generation": generation, "recipe": "kohya", "framework": "kohya", "profile": "balanced"}
    about["pid_source"] = "supervisor"
    yield _of(names.RUN_INFO, 1, run=RUN, **about)
    yield _of(names.RUN_UP, lives, run=RUN)
    yield from (_of(names.RUN_PHASE, float(other is phase), run=RUN, phase=other.value) for other in Phase)
    yield _of(names.RUN_PHASE_START, BEGIN + trainer.launched, run=RUN)
    yield _of(names.RUN_START, BEGIN + trainer.launched, run=RUN, generation=generation)
    yield _of(names.RUN_BEAT, BEGIN + now, run=RUN)
    yield _of(names.RUN_MEMBERS, 3 * lives, run=RUN)
    yield _of(names.RUN_MEMORY, lives * (used_share(trainer, now) - 0.2) * RAM, run=RUN)
    yield _of(names.RUN_CPU, 1.3 * (now - trainer.launched), run=RUN)
    yield _of(names.RUN_IO, 4e5 * (now - trainer.launched), run=RUN)
    yield from (_of(names.RUN_ERRORS, 0, run=RUN, kind=kind.value) for kind in ErrorKind)
    yield _of(names.RUN_RESUMABLE, 1, run=RUN)
    if not lives:
        yield _of(names.RUN_EXIT_CODE, 143, run=RUN)


def _steps(trainer: Trainer) -> Iterator[Sample]:
    epoch = min(EPOCHS, trainer.step // EPOCH + 1)
    yield _of(names.RUN_STEP, trainer.step, run=RUN)
    yield _of(names.RUN_MAX_STEPS, EPOCH * EPOCHS, run=RUN)
    yield _of(names.RUN_EPOCH, epoch, run=RUN)
    yield _of(names.RUN_MAX_EPOCHS, EPOCHS, run=RUN)
    yield _of(names.RUN_STEPS_DONE, len(trainer.taken), run=RUN)
    if trainer.taken:
        noise = 0.004 * random.Random(trainer.step).gauss(0, 1)
        yield _of(names.RUN_LOSS, 0.082 + 0.06 * math.exp(-trainer.step / 2500) + noise, run=RUN)
        yield _of(names.RUN_LAST_STEP, BEGIN + trainer.clock, run=RUN)
        yield _of(names.RUN_STEP_MEDIAN, median(trainer.taken[-200:]), run=RUN)
    yield from _histogram(trainer.taken)


def _histogram(taken: list[float]) -> Iterator[Sample]:
    name = names.RUN_STEP_DURATION.name
    counts = [0] * (len(STEP_BUCKETS) + 1)
    for seconds in taken:
        counts[next((i for i, bound in enumerate(STEP_BUCKETS) if seconds <= bound), len(STEP_BUCKETS))] += 1
    for bound, count in zip((*map(str, STEP_BUCKETS), "+Inf"), accumulate(counts), strict=True):
        yield Sample(f"{name}_bucket", {"run": RUN, "le": bound}, count)
    yield Sample(f"{name}_sum", {"run": RUN}, sum(taken))
    yield Sample(f"{name}_count", {"run": RUN}, len(taken))


def _checkpoints(trainer: Trainer, now: float) -> Iterator[Sample]:
    kept = min(3, len(trainer.saves))
    yield _of(names.CHECKPOINT_FOLDER_UP, 1, run=RUN)
    yield _of(names.CHECKPOINTS, kept, run=RUN)
    yield _of(names.CHECKPOINTS_VALID, kept, run=RUN)
    if trainer.saves:
        for family in (names.CHECKPOINT_LAST, names.CHECKPOINT_LAST_VALID_TIME):
            yield _of(family, BEGIN + trainer.saves[-1], run=RUN)
        yield _of(names.CHECKPOINT_LAST_VALID, 1, run=RUN)
        yield _of(names.CHECKPOINT_LAST_SIZE, 884 * MIB, run=RUN)
        yield _of(names.CHECKPOINT_LAST_EPOCH, trainer.step // EPOCH // 2 * 2, run=RUN)


def _receiver(trainer: Trainer, now: float) -> Iterator[Sample]:
    restarted = float(trainer.generation > 1)
    recovered = restarted and trainer.step > RESUMED_AT + 20
    yield _of(names.ALERTS_RECEIVED, float(now >= ALERT), outcome="accepted")
    for state in State:
        yield _of(names.RESTART_STATE, float(state is restart_state(now)), run=RUN, state=state.value)
    yield _of(names.RESTARTS, restarted, run=RUN, reason="hung")
    yield _of(names.RESTARTS, 0, run=RUN, reason="crashed")
    yield _of(names.RECOVERIES, float(recovered), run=RUN)
    yield _of(names.RESTART_HOLDS, 2.0, run=RUN, reason=HoldReason.BUSY.value)
    yield _of(names.RESTART_HOLDS, float(now >= ALERT), run=RUN, reason=HoldReason.SAVING.value)
    yield _of(names.RESTART_BUDGET, 2 if restarted and len(trainer.saves) < 4 else 3, run=RUN)
    yield _of(names.NEEDS_HUMAN, 0, run=RUN, reason=CallReason.LEDGER_UNWRITABLE.value)
    yield _of(names.STEPS_LOST, trainer.lost, run=RUN)


def restart_state(now: float) -> State:
    """Where the receiver stands with the run."""
    bounds = (
        (ALERT, State.WATCHING),
        (STOP, State.LOOKING),
        (STOP + 30, State.STOPPING),
        (RELAUNCH - 30, State.PAUSING),
        (RELAUNCH, State.LAUNCHING),
        (RELAUNCH + 260, State.PROBATION),
    )
    return next((state for until, state in bounds if now < until), State.WATCHING)


def _alerts(trainer: Trainer, now: float) -> Iterator[Sample]:
    hung = {"severity": "critical", "action": "restart", "run": RUN, "generation": "1"}
    if ALERT <= now < RELAUNCH:
        yield from _alert("TrainwardenRunHung", ALERT - 120, hung)
    if used_share(trainer, now) > 0.7 and now > RELAUNCH:
        yield from _alert("TrainwardenMemoryHigh", END - 1500, {"severity": "warning"})


def _alert(name: str, since: float, labels: dict[str, str]) -> Iterator[Sample]:
    common = {"alertname": name, "instance": INSTANCE, **labels}
    yield Sample("ALERTS", {**common, "alertstate": "firing"}, 1)
    yield Sample("ALERTS_FOR_STATE", common, BEGIN + since)


def _of(family: Family, value: float, **labels: str) -> Sample:
    assert tuple(labels) == family.labels, f"{family.name}: {tuple(labels)} are not its labels"
    return Sample(family.name, labels, value)


def _kind(name: str) -> str:
    return "counter" if name.endswith("_total") else "gauge"
