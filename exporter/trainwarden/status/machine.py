"""The guide's table of this machine, made of the exporter's series. Pure."""

from collections.abc import Iterator

from trainwarden import names
from trainwarden.names import Family
from trainwarden.status.readings import Readings
from trainwarden.status.report import Card, Level, Machine, Signal, worst
from trainwarden.status.scales import judge

_ADVICE = "consider a restart with a lower configuration (docs/runbooks/TrainwardenRunMemoryPressure.md)"


def machine(readings: Readings) -> Machine:
    """Its GPUs, and every signal of the guide's that it tells."""
    cards = _cards(readings)
    signals = [*_host(readings), *(signal for card in cards for signal in _gpu(readings, card))]
    lost = (Level.DANGER for card in cards if not card.up)
    return Machine(level=worst([*lost, *(signal.level for signal in signals)]), gpus=cards, signals=signals)


def lives(readings: Readings, run: str) -> bool:
    """Whether the run's training process lives."""
    return readings.value(names.RUN_UP, run) == 1


def trains(readings: Readings, run: str) -> bool:
    """Whether the run lives and is taking steps, and not caching or saving, say."""
    return lives(readings, run) and readings.value(names.RUN_PHASE, run, "training") == 1


def _host(readings: Readings) -> Iterator[Signal]:
    total = readings.value(names.HOST_MEMORY_TOTAL)
    available = readings.value(names.HOST_MEMORY_AVAILABLE)
    if total and available is not None:
        used = 1 - available / total
        yield _judged(readings, "memory_used_ratio", used, total=total, note=_advice(readings, used))
        yield _judged(readings, "memory_available_bytes", available)
    swap, room = readings.value(names.HOST_SWAP_USED), readings.value(names.HOST_SWAP_TOTAL)
    if swap is not None and room:
        yield _judged(readings, "swap_used_bytes", swap, total=room)


def _advice(readings: Readings, used: float) -> str:
    """What the guide advises from 80 % of the RAM on while a run lives."""
    limit = readings.limits("memory_used_ratio").get("advice")
    in_a_run = any(readings.of(names.RUN_UP).values())
    return _ADVICE if limit is not None and used > limit and in_a_run else ""


def _judged(
    readings: Readings, signal: str, value: float, *, total: float | None = None, gpu: str | None = None, note: str = ""
) -> Signal:
    """By the machine's own thresholds."""
    limits = readings.limits(signal)
    level = judge(signal, value, limits)
    return Signal(signal=signal, value=value, total=total, limits=limits, level=level, gpu=gpu, note=note)


def _cards(readings: Readings) -> list[Card]:
    named = {(gpu, uuid): name for gpu, uuid, name, *_ in readings.of(names.GPU_INFO)}
    return [
        Card(gpu=gpu, uuid=uuid, name=named.get((gpu, uuid), ""), up=up == 1, runs=_runs_on(readings, gpu, uuid))
        for (gpu, uuid), up in readings.of(names.GPU_UP).items()
    ]


def _runs_on(readings: Readings, gpu: str, uuid: str) -> list[str]:
    on = (run for run, *card in readings.of(names.RUN_GPU) if card == [gpu, uuid])
    return sorted(run for run in on if lives(readings, run))


def _gpu(readings: Readings, card: Card) -> Iterator[Signal]:
    at = card.gpu, card.uuid
    if not card.up:
        return
    temperature = readings.value(names.GPU_TEMPERATURE, *at, "gpu")
    if temperature is not None:
        yield _judged(readings, "gpu_temperature_celsius", temperature, gpu=card.gpu)
    used, total = readings.value(names.GPU_MEMORY_USED, *at), readings.value(names.GPU_MEMORY_TOTAL, *at)
    if used is not None and total:
        yield from _by_runs(readings, card, "gpu_memory_used_ratio", used / total, total)
    utilization = readings.value(names.GPU_UTILIZATION, *at)
    if utilization is not None:
        yield from _by_runs(readings, card, "gpu_utilization_ratio", utilization)
    yield from _unjudged(readings, card, names.GPU_POWER, "gpu_power_watts", names.GPU_POWER_LIMIT)


def _by_runs(readings: Readings, card: Card, signal: str, value: float, total: float | None = None) -> Iterator[Signal]:
    """By the thresholds of each run that trains on the card; where none does it is told and not judged."""
    training = [run for run in card.runs if trains(readings, run)]
    if not training:
        yield Signal(signal=signal, value=value, total=total, gpu=card.gpu)
    for run in training:
        limits = readings.run_limits(run, signal)
        level = judge(signal, value, limits)
        yield Signal(signal=signal, value=value, total=total, limits=limits, level=level, gpu=card.gpu, run=run)


def _unjudged(readings: Readings, card: Card, family: Family, signal: str, whole: Family) -> Iterator[Signal]:
    value = readings.value(family, card.gpu, card.uuid)
    if value is not None:
        total = readings.value(whole, card.gpu, card.uuid)
        yield Signal(signal=signal, value=value, total=total, gpu=card.gpu)
