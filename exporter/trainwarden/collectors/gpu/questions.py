"""What one card measures: the calls of one reading, and what of their answers becomes a field of ``Gpu``."""

from ctypes import c_ulonglong, c_void_p
from typing import Any

from trainwarden.collectors.gpu.asking import Fields, Number, Processes, Question
from trainwarden.collectors.gpu.nvml import Memory, Nvml, Utilization, memory2
from trainwarden.collectors.gpu.reading import Process

THROTTLE_BITS = {
    "gpu_idle": 0x1,
    "applications_clocks_setting": 0x2,
    "sw_power_cap": 0x4,
    "hw_slowdown": 0x8,
    "sync_boost": 0x10,
    "sw_thermal_slowdown": 0x20,
    "hw_thermal_slowdown": 0x40,
    "hw_power_brake_slowdown": 0x80,
    "display_clock_setting": 0x100,
}
"""nvmlClocksEventReasons, under their documented names."""
THROTTLE_FIELDS = {
    "sw_power_cap": 74,
    "thermal": 75,
    "sync_boost": 76,
    "board_limit": 77,
    "reliability": 79,
}
"""Fields that count nanoseconds (NVML_FI_DEV_PERF_POLICY_...).

Those of NVML_FI_DEV_CLOCKS_EVENT_REASON_... tell more, but are not asked for: their numbers are other fields' in other
drivers (251 to 253 in 575 and 580, 269 to 271 in 590).
"""
_MEMORY_TEMPERATURE, _ENERGY, _POWER_AVERAGE, _POWER_LIMIT = 82, 83, 185, 190
FIELDS = (*THROTTLE_FIELDS.values(), _MEMORY_TEMPERATURE, _ENERGY, _POWER_AVERAGE, _POWER_LIMIT)

_ANY_REASON = ~0
_CORE = 0  # of nvmlTemperatureSensors_t
_SM, _MEMORY = 1, 2  # of nvmlClockType_t
_TRANSMIT, _RECEIVE = 0, 1  # of nvmlPcieUtilCounter_t
_PSTATE_UNKNOWN = 32


class Questions:
    """Everything that is asked of one card at every reading: ten calls where all is supported."""

    def __init__(self, nvml: Nvml, handle: c_void_p, *, pcie: bool) -> None:
        self._fields = Fields(nvml, handle, FIELDS)
        self._rates = Question(nvml, "nvmlDeviceGetUtilizationRates", handle, place=Utilization())
        self._memory2 = Question(nvml, "nvmlDeviceGetMemoryInfo_v2", handle, place=memory2())
        self._memory = Question(nvml, "nvmlDeviceGetMemoryInfo", handle, place=Memory())
        # nvml.h calls this one deprecated, but every driver has it, and its successor only new ones.
        self._temperature = Number(nvml, "nvmlDeviceGetTemperature", handle, _CORE)
        self._power = Number(nvml, "nvmlDeviceGetPowerUsage", handle)
        self._limit = Number(nvml, "nvmlDeviceGetEnforcedPowerLimit", handle)
        self._energy = Number(nvml, "nvmlDeviceGetTotalEnergyConsumption", handle, kind=c_ulonglong)
        self._sm_clock = Number(nvml, "nvmlDeviceGetClockInfo", handle, _SM)
        self._memory_clock = Number(nvml, "nvmlDeviceGetClockInfo", handle, _MEMORY)
        self._state = Number(nvml, "nvmlDeviceGetPerformanceState", handle)
        self._throttle = _reasons(nvml, "nvmlDeviceGetCurrentClocks{}Reasons", handle)
        self._fan = Number(nvml, "nvmlDeviceGetFanSpeed", handle)
        self._processes = Processes(nvml, handle)
        ways = (_RECEIVE, _TRANSMIT) if pcie else ()
        self._pcie = [Number(nvml, "nvmlDeviceGetPcieThroughput", handle, way) for way in ways]
        told = _reasons(nvml, "nvmlDeviceGetSupportedClocks{}Reasons", handle).ask()
        known = _ANY_REASON if told is None else told
        self._bits = {reason: bit for reason, bit in THROTTLE_BITS.items() if known & bit}

    def ask(self) -> dict[str, Any]:
        """The measured fields of a ``Gpu``. Raises ``NvmlError``; may never return."""
        fields = self._fields.ask()
        rates = self._rates.ask()
        bits = self._throttle.ask()
        processes = self._processes.ask()
        receive, transmit = [_scaled(way.ask(), 1024) for way in self._pcie] or (None, None)
        return {
            "utilization_ratio": None if rates is None else rates.gpu / 100,
            **self._ask_memory(),
            "temperature_celsius": self._temperature.ask(),
            "memory_temperature_celsius": fields.get(_MEMORY_TEMPERATURE),
            "power_watts": _scaled(_or_ask(fields.get(_POWER_AVERAGE), self._power), 1e-3),
            "power_limit_watts": _scaled(_or_ask(fields.get(_POWER_LIMIT), self._limit), 1e-3),
            "energy_joules": _scaled(_or_ask(fields.get(_ENERGY), self._energy), 1e-3),
            "sm_clock_hertz": _scaled(self._sm_clock.ask(), 1e6),
            "memory_clock_hertz": _scaled(self._memory_clock.ask(), 1e6),
            "performance_state": _known(self._state.ask()),
            "throttling": {} if bits is None else {reason: bool(bits & bit) for reason, bit in self._bits.items()},
            "throttled_seconds": {why: fields[n] * 1e-9 for why, n in THROTTLE_FIELDS.items() if n in fields},
            "fan_ratio": _scaled(self._fan.ask(), 0.01),
            "pcie_receive_bytes_per_second": receive,
            "pcie_transmit_bytes_per_second": transmit,
            "processes": None if processes is None else tuple(Process(*process) for process in processes),
        }

    def _ask_memory(self) -> dict[str, int]:
        """As nvidia-smi prints it: what the driver reserves for itself is not "used", where it tells that."""
        told: Any = self._memory2.ask() or self._memory.ask()
        if told is None:
            return {}
        return {f"memory_{what}_bytes": getattr(told, what) for what in ("total", "used", "free")}


def _reasons(nvml: Nvml, name: str, handle: c_void_p) -> Number:
    """A question for bits of reasons, which drivers before 535 have under another name."""
    return Number(nvml, (name.format("Event"), name.format("Throttle")), handle, kind=c_ulonglong)


def _or_ask(told: float | None, number: Number) -> float | None:
    return number.ask() if told is None else told


def _known(state: int | None) -> int | None:
    return None if state == _PSTATE_UNKNOWN else state


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
