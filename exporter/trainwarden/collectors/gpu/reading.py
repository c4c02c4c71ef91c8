"""What a reading of the GPUs holds: frozen facts, in base units."""

from msgspec import Struct

from trainwarden.collectors.base import Card, Reading


class Process(Struct, frozen=True):
    """A compute process on a card."""

    pid: int
    memory_bytes: int | None
    """None where the driver does not tell, as under WSL2."""


class Mig(Struct, frozen=True, kw_only=True):
    """A MIG device: a share of a card with memory of its own."""

    uuid: str
    profile: str
    """``1g.10gb`` and the like; empty where the driver does not tell."""
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None


class Gpu(Struct, frozen=True, kw_only=True):
    """One card. None: this driver does not tell."""

    index: int
    uuid: str
    """Empty for a card that was lost before it was ever read."""
    up: bool
    name: str = ""
    pci_bus_id: str = ""
    utilization_ratio: float | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_free_bytes: int | None = None
    temperature_celsius: float | None = None
    memory_temperature_celsius: float | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    energy_joules: float | None = None
    sm_clock_hertz: float | None = None
    memory_clock_hertz: float | None = None
    performance_state: int | None = None
    throttling: dict[str, bool] = {}
    """Whether the clocks are held down, for every reason that the card knows."""
    throttled_seconds: dict[str, float] = {}
    """For how long they were, since the driver was loaded, by reason."""
    fan_ratio: float | None = None
    pcie_receive_bytes_per_second: float | None = None
    pcie_transmit_bytes_per_second: float | None = None
    processes: tuple[Process, ...] | None = None
    migs: tuple[Mig, ...] = ()


class Xid(Struct, frozen=True, kw_only=True):
    """An error number that the driver has reported for a card while this exporter listened."""

    index: int
    uuid: str
    number: int
    count: int
    last_at: float
    """Unix time."""


class GpusReading(Reading, frozen=True, kw_only=True):
    """Every card that the driver lists, and those that it no longer lists."""

    listed: int | None = None
    """None where the driver did not say."""
    expected: int = 0
    driver_version: str = ""
    gpus: tuple[Gpu, ...] = ()
    xids: tuple[Xid, ...] = ()

    @property
    def cards(self) -> dict[str, Card]:
        """By UUID, every card that is known to be there; one that was never read has an empty one."""
        return {gpu.uuid: Card(gpu.index, gpu.name) for gpu in self.gpus}
