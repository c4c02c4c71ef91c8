"""The exporter as a process of its own, and what it says."""

import os
import re
import selectors
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[str, dict[str, float]]


SCRAPE_TIMEOUT = 10.0
"""Prometheus' own."""


class Exporter:
    """``trainwarden exporter`` on a free port."""

    def __init__(self, environment: Mapping[str, str], *options: str, scheme: str = "http") -> None:
        command = [sys.executable, "-m", "trainwarden", "exporter", "--web.listen-address", "127.0.0.1:0", *options]
        self.process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)
        said = self._first_line(30.0)
        found = re.fullmatch(rf"trainwarden exporter: listening on ({scheme}://127\.0\.0\.1:\d+)/metrics\n", said)
        assert found, f"the exporter said {said!r}"
        self.url = found[1]

    def get(self, path: str, **headers: str) -> Any:
        """The answer to a GET; ``accept_encoding`` and the like are its headers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return urllib.request.urlopen(urllib.request.Request(self.url + path, headers=named), timeout=SCRAPE_TIMEOUT)

    def scrape(self, *, anew: bool = True) -> Samples:
        """Value by label values (in the order of the labels' names) by sample name.

        ``anew``: the GPUs are asked in any case; else, as for Prometheus, only where nobody asked them a moment ago.
        """
        headers = {"cache_control": "no-cache"} if anew else {}
        text = self.get("/metrics", **headers).read().decode()
        found: Samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(value for _, value in sorted(sample.labels.items()))
                found.setdefault(sample.name, {})[labels] = sample.value
        return found

    def close(self) -> str:
        """End it as ``trainwarden down`` would, and return what else it said."""
        self.process.terminate()
        _, said = self.process.communicate(timeout=20)
        return said

    def _first_line(self, seconds: float) -> str:
        assert self.process.stderr is not None
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stderr, selectors.EVENT_READ)
            ready = selector.select(deadline - time.monotonic())
        return self.process.stderr.readline() if ready else ""
