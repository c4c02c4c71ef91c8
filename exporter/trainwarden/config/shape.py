"""The keys of ``trainwarden.yml``, their types and what holds where they are absent."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from trainwarden.config.notify import NotifyConfig
from trainwarden.launching import Launching
from trainwarden.model import Budget, Limits, ResumeTemplate, Seconds
from trainwarden.names import EXPORTER_PORT, RECEIVER_PORT


class ExporterConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``exporter:``, the read-only side."""

    listen: str = f"127.0.0.1:{EXPORTER_PORT}"
    telemetry_path: str = "/metrics"
    web_config_file: str | None = None
    """TLS, users and headers, in the form that Prometheus' family shares."""
    max_requests: Annotated[int, Meta(ge=0)] = 40
    """Scrapes at once; 0: as many as there are connections."""
    keep_ended: Seconds = 7 * 86400.0
    """How long a run that is over stays in the metrics: after that it is history, which Prometheus has."""
    gpus_expected: Annotated[int, Meta(ge=0)] | None = None
    """How many GPUs should be there; None: the most that were seen since the exporter began."""
    gpu_pcie: bool = False
    """Read each GPU's PCIe traffic too, which costs 40 ms a card and scrape."""
    gpu_pids: bool = False
    """Tell GPU memory by process too; pids come and go, and each is a new series."""


class ReceiverConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``receiver:``, the only side that acts."""

    listen: str = f"127.0.0.1:{RECEIVER_PORT}"
    telemetry_path: str = "/metrics"
    web_config_file: str | None = None
    """TLS, users and headers, in the form that Prometheus' family shares."""
    exporter_url: str = f"http://127.0.0.1:{EXPORTER_PORT}/metrics"
    """Where the second look reads."""
    mode: Literal["restart", "observe"] = "restart"
    """``observe``: decide and tell, and do not act."""
    token_file: str | None = None
    """The bearer token that the webhook demands. Needed to listen beyond loopback."""


Thresholds = dict[str, dict[str, float]]


class RunConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of ``runs:``: everything that ``trainwarden run NAME`` would take as options."""

    command: list[str] | None = None
    cwd: str | None = None
    checkpoints: str | None = None
    output_name: str | None = None
    recipe: str | None = None
    resume: ResumeTemplate | None = None
    profile: str | None = None
    gpus: list[Annotated[int, Meta(ge=0)]] | None = None
    nodes: Annotated[int, Meta(ge=1)] = 1
    mode: Literal["restart", "observe"] | None = None
    """By default ``receiver.mode``."""
    launcher: Launching | None = None
    """Which engine launches it, if not trainwarden itself (docs/launchers)."""
    adapt: Literal["guide"] | None = None
    """``guide``: after an error for want of memory, step down by the guide's remedies; off unless asked for."""
    thresholds: Thresholds = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=Budget)


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. An absent file is the same as an empty one: the guide's numbers, loopback only."""

    exporter: ExporterConfig = field(default_factory=ExporterConfig)
    receiver: ReceiverConfig = field(default_factory=ReceiverConfig)
    notify: NotifyConfig = field(default_factory=NotifyConfig)
    thresholds: Thresholds = field(default_factory=dict)
    """Overrides for the machine, by signal and level."""
    runs: dict[str, RunConfig] = field(default_factory=dict)
