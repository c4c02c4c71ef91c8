"""A simulated day in which signals scatter about thresholds.

Twice in the day the true value goes over a threshold: once well beyond and back, and once just up to it, where it stays
for four hours. In the evening it stays near, and never reaches it. Around the true value every reading scatters
normally, by more than sensors do; the same seed gives the same day.
"""

import random
from collections.abc import Callable, Iterator
from functools import cache
from itertools import accumulate, chain, pairwise
from typing import NamedTuple

from tests.rules.story import GPU, Night, Run, Sample, columns, key, starting, training
from tests.rules.surroundings import CHECKPOINT_BYTES, COLLECTORS, RECEIVER
from trainwarden import guide, names
from trainwarden.model import Phase

HOURS = 24
SCRAPE_SECONDS = 30
SECONDS = range(0, HOURS * 3600 + 1, SCRAPE_SECONDS)
SEED = 20251115
RUN = "lora"

TRUTH = ((0, -5), (2, -5), (4, 5), (6, 5), (8, -5), (10, -5), (11, 0), (15, 0), (16, -5), (17, -2), (24, -2))
"""Hour, and how far beyond the threshold the true value is, in standard deviations of the noise. Straight between."""
EXCURSIONS = 2

STEPS = key(names.RUN_STEP_DURATION, RUN, suffix="_sum")
FREE = key(names.CHECKPOINT_DISK_FREE, RUN)

Series = dict[str, list[Sample]]


class Edge(NamedTuple):
    """One threshold of one rule, and what scatters about it."""

    alert: str
    severity: str
    at: float
    noise: float
    """Its standard deviation, in the unit of ``at``; negative where danger is below the threshold."""
    told: "Callable[[Edge], Series]"
    """What is read of it all day."""

    @property
    def scatter(self) -> random.Random:
        """Its own chance."""
        return random.Random(f"{SEED} {self.alert} {self.severity}")


def truth(hour: float) -> float:
    """How far beyond the threshold, in standard deviations."""
    (begin, low), (end, high) = next(pair for pair in pairwise(TRUTH) if hour <= pair[1][0])
    return low + (high - low) * (hour - begin) / (end - begin)


def noisy(edge: Edge) -> Iterator[float]:
    """Every reading of the day."""
    scatter = edge.scatter
    for second in SECONDS:
        yield max(0.0, edge.at + edge.noise * (truth(second / 3600) + scatter.gauss(0, 1)))


@cache
def calm() -> Series:
    """A healthy balanced run, all day; it began long before, so that its windows are full."""
    return columns(
        Night(HOURS * 60, [Run([starting(1), training(HOURS * 60)], launched=0)], scrape_seconds=SCRAPE_SECONDS)
    )


def gauge(series: str) -> Callable[[Edge], Series]:
    """The value itself is read."""
    return lambda edge: {series: list(noisy(edge))}


def counter(series: str) -> Callable[[Edge], Series]:
    """The threshold is of the rate."""
    return lambda edge: {series: list(accumulate(rate * SCRAPE_SECONDS for rate in noisy(edge)))}


def step_durations(edge: Edge) -> Series:
    """Seconds that steps took so far: as many steps as in the healthy day, each as long as the reading says."""
    return {STEPS: _by_step(edge, calm()[STEPS.replace("_sum", "_count")])}


def spoiled_losses(edge: Edge) -> Series:
    """The share of steps whose loss is no number."""
    done = calm()[key(names.RUN_STEPS_DONE, RUN)]
    return {key(names.RUN_NONFINITE_LOSSES, RUN): _by_step(edge, done)}


def _by_step(edge: Edge, counts: list[Sample]) -> list[Sample]:
    """The sum over all steps so far of what the readings say of each."""
    found: list[Sample] = []
    total, before = 0.0, 0.0
    for each, count in zip(noisy(edge), counts, strict=True):
        if isinstance(count, float | int):
            total, before = total + (count - before) * each, count
        found.append(total if isinstance(count, float | int) else count)
    return found


def processes(edge: Edge) -> Series:
    """There is a whole number of them."""
    return {key(names.RUN_FOREIGN_PROCESSES, RUN, *GPU): [round(value) for value in noisy(edge)]}


def idle_gpu(edge: Edge) -> Series:
    """Of a run that has taken no step and saved nothing since it began."""
    return {
        key(names.GPU_UTILIZATION, *GPU): list(noisy(edge)),
        key(names.RUN_STEPS_DONE, RUN): [0 for _ in SECONDS],
        key(names.CHECKPOINT_LAST, RUN): [None for _ in SECONDS],
    }


def clocks(edge: Edge) -> Series:
    """The exporter's clock is behind by so many seconds."""
    succeeded = [second - behind for second, behind in zip(SECONDS, noisy(edge), strict=True)]
    return {key(names.COLLECTOR_LAST_SUCCESS, collector): list(succeeded) for collector in COLLECTORS}


def occasions(edge: Edge) -> Iterator[float]:
    """Something happens again and again: the seconds between two times scatter about the threshold."""
    scatter, at = edge.scatter, 0.0
    while at <= SECONDS[-1]:
        yield at
        at += max(60.0, edge.at + edge.noise * (truth(at / 3600) + scatter.gauss(0, 1)))


def latest(series: str) -> Callable[[Edge], Series]:
    """When it happened last."""

    def told(edge: Edge) -> Series:
        happened = list(occasions(edge))
        return {series: [max(at for at in happened if at <= second) for second in SECONDS]}

    return told


PAUSE_SECONDS = 600
"""Of training, between two stays in another phase."""


def stays(edge: Edge) -> Iterator[tuple[float, float]]:
    """Beginning and end of each stay in a phase, whose lengths scatter about the threshold."""
    for number, (begin, end) in enumerate(pairwise(occasions(edge))):
        shift = number * PAUSE_SECONDS
        yield begin + shift + PAUSE_SECONDS, end + shift + PAUSE_SECONDS


def phases(edge: Edge) -> Series:
    """Evaluations, and training between them."""
    turns = sorted(chain.from_iterable(stays(edge)))
    passed = [sum(turn <= second for turn in turns) for second in SECONDS]
    evaluates = [number % 2 for number in passed]
    return {
        key(names.RUN_PHASE, RUN, Phase.EVALUATING.value): [float(on) for on in evaluates],
        key(names.RUN_PHASE, RUN, Phase.TRAINING.value): [1.0 - on for on in evaluates],
        key(names.RUN_PHASE_START, RUN): [turns[number - 1] if number else 0.0 for number in passed],
    }


EVENT_SECONDS = 300
"""A run that dies again and again is restarted, or saves and so fills its budget up, so often."""


def restarts_left(edge: Edge) -> list[int]:
    """A whole number of restarts is left."""
    left: list[int] = []
    for second, value in zip(SECONDS, noisy(edge), strict=True):
        left.append(left[-1] if second % EVENT_SECONDS else min(3, round(value)))
    return left


def budget(edge: Edge) -> Series:
    """For a minute after each restart that the budget loses, the run is down."""
    left = restarts_left(edge)
    lost = [max(0, before - now) for before, now in pairwise([left[0], *left])]
    down = [any(lost[max(0, tick - 1) : tick + 1]) for tick in range(len(lost))]
    return {
        key(names.RESTART_BUDGET, RUN, job=RECEIVER): list(left),
        key(names.RESTARTS, RUN, "crashed", job=RECEIVER): list(accumulate(lost)),
        key(names.RUN_UP, RUN): [float(not away) for away in down],
    }


FILLED_UP_SECONDS = 1800
"""A budget that was not low for longer has recovered; what is lost of it then is another excursion."""


def times_low(edge: Edge) -> int:
    """How often in the day the budget was low and had not been before."""
    low = [second for second, left in zip(SECONDS, restarts_left(edge), strict=True) if left < edge.at]
    return 1 + sum(after - before > FILLED_UP_SECONDS for before, after in pairwise(low))


DAYS_LEFT = 10
"""At the beginning of the day, until the run's last step."""


def filling_disk(edge: Edge) -> Series:
    """By the minute a disk loses so much of what would fill it just when the run ends; others come and go on it."""
    scatter, left, found = edge.scatter, 400.0 * guide.GIB, []
    ends = DAYS_LEFT * 86400
    for second, share in zip(SECONDS, noisy(edge), strict=True):
        left -= share * left / (ends - second) * SCRAPE_SECONDS
        found.append(left + scatter.gauss(0, 1) * CHECKPOINT_BYTES)
    steps = [float(second) for second in SECONDS]
    return {
        FREE: list(found),
        key(names.RUN_STEP, RUN): list(steps),
        key(names.RUN_MAX_STEPS, RUN): [ends for _ in steps],
    }
