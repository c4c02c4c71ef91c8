"""A reading of the GPUs as metric families."""

from collections.abc import Callable, Iterator

from trainwarden import names
from trainwarden.collectors.base import metric
from trainwarden.collectors.gpu.reading import Gpu, GpusReading
from trainwarden.names import Family
from trainwarden.series import Series

_VALUES: tuple[tuple[Family, str], ...] = (
    (names.GPU_UP, "up"),
    (names.GPU_UTILIZATION, "utilization_ratio"),
    (names.GPU_MEMORY_TOTAL, "memory_total_bytes"),
    (names.GPU_MEMORY_USED, "memory_used_bytes"),
    (names.GPU_MEMORY_FREE, "memory_free_bytes"),
    (names.GPU_POWER, "power_watts"),
    (names.GPU_POWER_LIMIT, "power_limit_watts"),
    (names.GPU_ENERGY, "energy_joules"),
    (names.GPU_PERFORMANCE_STATE, "performance_state"),
    (names.GPU_FAN, "fan_ratio"),
)
"""Families with one series a card."""
_BRANCHES: tuple[tuple[Family, Callable[[Gpu], dict[str, float | None]]], ...] = (
    (
        names.GPU_TEMPERATURE,
        lambda gpu: {"gpu": gpu.temperature_celsius, "memory": gpu.memory_temperature_celsius},
    ),
    (names.GPU_CLOCK, lambda gpu: {"sm": gpu.sm_clock_hertz, "memory": gpu.memory_clock_hertz}),
    (names.GPU_THROTTLE_ACTIVE, lambda gpu: {**gpu.throttling}),
    (names.GPU_THROTTLE_SECONDS, lambda gpu: {**gpu.throttled_seconds}),
    (
        names.GPU_PCIE,
        lambda gpu: {
            "receive": gpu.pcie_receive_bytes_per_second,
            "transmit": gpu.pcie_transmit_bytes_per_second,
        },
    ),
)
"""Families with several series a card, by the value of one more label."""


def families(reading: GpusReading) -> Iterator[Series]:
    """Every family of a GPU; a lost card has only ``gpu_up``, and its XID errors."""
    yield from metric(names.GPUS, [((), reading.listed)])
    yield from metric(names.GPUS_EXPECTED, [((), reading.expected)])
    told = [((str(gpu.index), gpu.uuid), gpu) for gpu in reading.gpus]
    version = reading.driver_version
    yield from metric(names.GPU_INFO, (((*at, gpu.name, version, gpu.pci_bus_id), 1) for at, gpu in told if gpu.up))
    for family, field in _VALUES:
        yield from metric(family, ((at, getattr(gpu, field)) for at, gpu in told))
    for family, branches in _BRANCHES:
        yield from metric(
            family, (((*at, branch), value) for at, gpu in told for branch, value in branches(gpu).items())
        )
    yield from metric(names.GPU_PROCESSES, ((at, _count(gpu)) for at, gpu in told))
    yield from _xid_families(reading)
    yield from _mig_families(reading)


def _count(gpu: Gpu) -> int | None:
    return None if gpu.processes is None else len(gpu.processes)


def _xid_families(reading: GpusReading) -> Iterator[Series]:
    told = [((str(xid.index), xid.uuid, str(xid.number)), xid) for xid in reading.xids]
    yield from metric(names.GPU_XID_ERRORS, ((at, xid.count) for at, xid in told))
    yield from metric(names.GPU_XID_LAST, ((at, xid.last_at) for at, xid in told))


def _mig_families(reading: GpusReading) -> Iterator[Series]:
    told = [((str(gpu.index), gpu.uuid, mig.uuid), mig) for gpu in reading.gpus for mig in gpu.migs]
    yield from metric(names.MIG_INFO, (((*at, mig.profile), 1) for at, mig in told))
    yield from metric(names.MIG_MEMORY_TOTAL, ((at, mig.memory_total_bytes) for at, mig in told))
    yield from metric(names.MIG_MEMORY_USED, ((at, mig.memory_used_bytes) for at, mig in told))
