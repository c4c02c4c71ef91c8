"""What the exporter says about a run's GPUs: its ``/metrics``, asked now and read by Prometheus' own parser.

The receiver's process never calls the GPU driver itself, which may hang.
"""

import time
from collections.abc import Callable, Iterator

import requests
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from trainwarden import names
from trainwarden.deadline import Deadline, OverdueError
from trainwarden.names import Family

TIMEOUT = 10.0
"""Seconds for a whole answer, as Prometheus' own scrape timeout: the exporter may wait for a driver that hangs."""

_ANEW = {"Cache-Control": "no-cache"}
"""The exporter hands a reading of the GPUs on for a moment; evidence must not be older than what it is held against."""

ReadExporter = Callable[[str], "ExporterReading | None"]
"""Ask about the run of this name; None where the exporter does not answer."""


class GpuReading(Struct, frozen=True, kw_only=True):
    """One GPU. None: not told."""

    utilization_ratio: float | None = None
    memory_used_bytes: float | None = None
    memory_free_bytes: float | None = None


class ExporterReading(Struct, frozen=True, kw_only=True):
    """What one answer of the exporter says about one run."""

    driver_answers: bool
    """Whether the exporter could read the GPUs just now: all of them, or at least every one of the run's."""
    run_gpus: tuple[str, ...] | None
    """UUIDs of the run's GPUs; None where they are unknown."""
    gpus: dict[str, GpuReading]
    """Every GPU of the machine that answers, by UUID."""
    models: tuple[str, ...] = ()
    """The names of these."""


class Exporter:
    """The exporter at ``url``; one question at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        # A timeout of requests is for each read: what trickles would hold a decision up for ever.
        self._deadline: Deadline[tuple[float, str]] = Deadline(f"the exporter at {url}", TIMEOUT)

    def read(self, run: str) -> ExporterReading | None:
        """What it says about ``run``. None where it does not answer whole within ``TIMEOUT``, or not with metrics."""
        asked = time.monotonic()
        try:
            began, text = self._deadline.run(self._ask)
            # The answer to an earlier question, which came late, says nothing about now.
            return parse(text, run) if began >= asked else None
        except (requests.RequestException, OverdueError, ValueError):
            return None

    def _ask(self) -> tuple[float, str]:
        """When it was asked, and its answer."""
        began = time.monotonic()
        with requests.Session() as session:
            session.trust_env = False  # a proxy of the environment does not know this machine
            answer = session.get(self._url, headers=_ANEW, timeout=TIMEOUT)
            answer.raise_for_status()
            return began, answer.text


def parse(text: str, run: str) -> ExporterReading:
    """Read an answer. Raises ``ValueError`` for what is not the exporter's."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    if not any(_of(names.BUILD_INFO, samples)):
        raise ValueError("not an exporter of trainwarden")
    success = [s.value for s in _of(names.COLLECTOR_SUCCESS, samples) if s.labels.get("collector") == "gpu"]
    run_gpus = tuple(s.labels["uuid"] for s in _of(names.RUN_GPU, samples) if s.labels["run"] == run)
    up = [s.labels["uuid"] for s in _of(names.GPU_UP, samples) if s.value == 1]
    return ExporterReading(
        # One card of eight that hangs says nothing about a run on another one.
        driver_answers=success == [1.0] or (bool(run_gpus) and set(run_gpus) <= set(up)),
        run_gpus=run_gpus or None,
        gpus={uuid: _gpu(uuid, samples) for uuid in up},
        models=tuple(s.labels["name"] for s in _of(names.GPU_INFO, samples)),
    )


def _of(family: Family, samples: list[Sample]) -> Iterator[Sample]:
    return (sample for sample in samples if sample.name == family.name)


def _gpu(uuid: str, samples: list[Sample]) -> GpuReading:
    def value(family: Family) -> float | None:
        return next((s.value for s in _of(family, samples) if s.labels["uuid"] == uuid), None)

    return GpuReading(
        utilization_ratio=value(names.GPU_UTILIZATION),
        memory_used_bytes=value(names.GPU_MEMORY_USED),
        memory_free_bytes=value(names.GPU_MEMORY_FREE),
    )
