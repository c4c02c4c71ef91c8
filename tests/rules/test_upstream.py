"""The real Prometheus and Alertmanager export what the rules ask of them, with the labels that the rules take."""

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.rules import shipped
from tests.rules.surroundings import UPSTREAM
from tests.support.ports import free_port
from tests.support.wait import wait_until
from trainwarden.stack.tools import Tools

JOBS = ("prometheus", "alertmanager")


@pytest.fixture(scope="module")
def exported(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, set[str]]]]:
    """By job, the labels of every metric."""
    folder = tmp_path_factory.mktemp("upstream")
    (folder / "prometheus.yml").write_text(yaml.safe_dump({"rule_files": [str(file) for file in shipped.FILES]}))
    (folder / "alertmanager.yml").write_text(yaml.safe_dump({"route": {"receiver": "x"}, "receivers": [{"name": "x"}]}))
    ports = {job: free_port() for job in JOBS}
    commands = {
        "prometheus": [tools.prometheus, f"--storage.tsdb.path={folder / 'data'}"],
        "alertmanager": [tools.alertmanager, f"--storage.path={folder / 'am'}", "--cluster.listen-address="],
    }
    processes = [_start(folder, job, command, ports[job]) for job, command in commands.items()]
    try:
        yield {job: wait_until(partial(_labels, port), 30, f"{job} answers") for job, port in ports.items()}
    finally:
        for process in processes:
            process.terminate()
            process.wait(timeout=30)


def _start(folder: Path, job: str, command: list[Path | str], port: int) -> "subprocess.Popen[bytes]":
    whole = [*command, f"--config.file={folder / f'{job}.yml'}", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / f"{job}.log").open("wb") as log:
        return subprocess.Popen(whole, stdout=log, stderr=log)


def _labels(port: int) -> dict[str, set[str]]:
    """The labels of each metric; empty until it is ready: it answers before it has read its rules."""
    try:
        if not requests.get(f"http://127.0.0.1:{port}/-/ready", timeout=5).ok:
            return {}
        text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    except requests.ConnectionError:
        return {}
    return {
        sample.name: set(sample.labels) for family in text_string_to_metric_families(text) for sample in family.samples
    }


@pytest.mark.parametrize("metric", UPSTREAM)
def test_it_is_exported_with_these_labels(metric: str, exported: dict[str, dict[str, set[str]]]) -> None:
    job, labels = UPSTREAM[metric]
    assert set(labels) <= exported[job][metric]
