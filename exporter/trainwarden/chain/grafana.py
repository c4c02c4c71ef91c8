"""Grafana's HTTP API, as much of it as a visitor without a login may ask."""

from msgspec import Struct

from trainwarden.chain.asking import SECONDS, AskError, Service


class Health(Struct, frozen=True):
    """What Grafana says of itself."""

    database: str
    """``ok``, or what is wrong."""
    version: str = ""
    """Empty where it does not tell a visitor."""


class _SourceHealth(Struct, frozen=True):
    message: str = ""
    status: str = ""


class Grafana:
    """The Grafana at ``url``, its base. Every method raises ``AskError``."""

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        self.service = Service("Grafana", url, seconds)

    def health(self) -> Health:
        """Whether it is up, and its version."""
        return self.service.json("/api/health", Health)

    def source_fault(self, uid: str) -> str:
        """What is wrong with the data source ``uid``, in Grafana's words; empty where it is healthy."""
        try:
            said = self.service.json(f"/api/datasources/uid/{uid}/health", _SourceHealth)
        except AskError as error:
            if error.status not in (400, 404, 500, 502):
                raise
            return error.said or str(error)
        return "" if said.status.upper() == "OK" else said.message or said.status
