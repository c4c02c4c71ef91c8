"""The exporter's HTTP edge, as a real process."""

import contextlib
import gzip
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.collectors.samples import spec, state, write
from tests.support.nvml import FakeDriver, uuid_of
from tests.support.wait import wait_until
from tests.web.exporter import Exporter
from trainwarden.model import Identity, RunState
from trainwarden.runs.folder import runs_root
from trainwarden.system import boot_id


@pytest.fixture
def exporter(nvml: FakeDriver, state_home: Path) -> Iterator[Exporter]:
    exporter = Exporter(nvml.environment())
    yield exporter
    exporter.close()


def test_prometheus_gets_the_text_format_and_openmetrics_when_it_asks(exporter: Exporter) -> None:
    plain = exporter.get("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"\ntrainwarden_gpus 1.0\n" in plain.read()
    modern = exporter.get("/metrics", accept="application/openmetrics-text;version=1.0.0")
    assert modern.headers["Content-Type"].startswith("application/openmetrics-text")
    assert modern.read().endswith(b"# EOF\n")


def test_a_client_that_takes_gzip_gets_it(exporter: Exporter) -> None:
    answer = exporter.get("/metrics", accept_encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"trainwarden_gpus 1.0" in gzip.decompress(answer.read())


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
def test_health_and_readiness_answer(exporter: Exporter, path: str) -> None:
    assert exporter.get(path).status == 200


def test_a_browser_gets_a_page_that_leads_to_the_metrics(exporter: Exporter, state_home: Path) -> None:
    page = exporter.get("/").read().decode()
    assert '<a href="metrics">' in page
    assert str(state_home / "trainwarden/runs") in page


def test_any_other_path_is_not_found(exporter: Exporter) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        exporter.get("/metric")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly(nvml: FakeDriver, state_home: Path, number: signal.Signals) -> None:
    exporter = Exporter(nvml.environment())
    exporter.scrape()
    exporter.process.send_signal(number)
    _, said = exporter.process.communicate(timeout=20)
    assert (exporter.process.returncode, said) == (0, "")


def test_a_port_in_use_is_one_sentence_with_the_mend(state_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = _run("exporter", "--web.listen-address", f"127.0.0.1:{port}")
    assert said.returncode == 1
    assert said.stderr == (
        f"trainwarden: cannot listen on 127.0.0.1:{port}: Address already in use; end what uses port {port}, or"
        " choose another address with --web.listen-address HOST:PORT (or `listen:` in trainwarden.yml)\n"
    )


def test_an_address_without_a_port_is_one_sentence(state_home: Path) -> None:
    said = _run("exporter", "--web.listen-address", "localhost")
    assert said.returncode == 2
    assert said.stderr == "trainwarden: address 'localhost': write HOST:PORT, as in 127.0.0.1:9877\n"


def _run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "trainwarden", *arguments]
    return subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=30, check=False)


def test_it_carries_nothing_that_it_does_not_need(state_home: Path) -> None:
    code = (
        "import sys\n"
        "from trainwarden.config import Config\n"
        "from trainwarden.web.exposition import make_server\n"
        "with make_server(Config(), ['127.0.0.1:0']): pass\n"
        "print(sorted({'prometheus_client', 'rich', 'requests', 'ssl', 'http.server', 'bcrypt'} & {*sys.modules}))\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert said.stdout == "[]\n"


def test_with_eight_gpus_and_many_scrapes_it_stays_small(nvml: FakeDriver, exporter: Exporter) -> None:
    nvml.resize(8)
    with ThreadPoolExecutor(20) as pool:
        for _ in range(5):
            list(pool.map(lambda _: exporter.get("/metrics").read(), range(20)))
    assert exporter.scrape()["process_resident_memory_bytes"][""] < 28 * 1024**2, "23 MB when this was written"


def test_while_the_driver_hangs_it_is_healthy_and_not_ready_and_says_why(nvml: FakeDriver, exporter: Exporter) -> None:
    assert exporter.get("/-/ready").status == 200
    nvml.set(gpu=0, mode="hang")
    exporter.scrape()
    with pytest.raises(urllib.error.HTTPError) as refused:
        exporter.get("/-/ready")
    assert (refused.value.code, refused.value.read().decode()) == (
        503,
        "Not ready: no whole reading from collector gpu; the exporter's log says why.\n",
    )
    assert exporter.get("/-/healthy").status == 200
    nvml.set(gpu=0, mode="ok")
    wait_until(lambda: exporter.scrape()["trainwarden_collector_success"]["gpu"], 20, "the driver answers again")
    assert exporter.get("/-/ready").status == 200


def test_a_machine_without_a_driver_is_ready(nvml: FakeDriver, exporter: Exporter) -> None:
    nvml.set(mode="not_loaded")
    assert exporter.get("/-/ready").status == 200


def test_prometheus_own_timeout_bounds_the_reading(nvml: FakeDriver, exporter: Exporter) -> None:
    exporter.scrape()
    nvml.set(gpu=0, mode="hang")
    began = time.monotonic()
    assert exporter.get("/metrics", x_prometheus_scrape_timeout_seconds="0.4").status == 200
    assert time.monotonic() - began < 0.75, "the driver has 0.2 s of it, and not the 0.8 s that it usually has"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_while_the_driver_hangs(nvml: FakeDriver, exporter: Exporter, number: signal.Signals) -> None:
    nvml.set(gpu=0, mode="hang")
    threading.Thread(target=_try_to_scrape, args=(exporter,), daemon=True).start()
    exporter.scrape()
    threading.Thread(target=_try_to_scrape, args=(exporter,), daemon=True).start()
    began = time.monotonic()
    exporter.process.send_signal(number)
    assert exporter.process.wait(5) == 0
    assert time.monotonic() - began < 1.5, "half a second for answers in progress, and little more"


def _try_to_scrape(exporter: Exporter) -> None:
    with contextlib.suppress(OSError):
        exporter.get("/metrics").read()


def test_no_driver_is_a_clean_machine_without_gpus(nvml: FakeDriver, exporter: Exporter) -> None:
    nvml.set(mode="not_loaded")
    found = exporter.scrape()
    assert found["trainwarden_gpus"] == {"": 0}
    assert set(found["trainwarden_collector_success"].values()) == {1}


def test_a_lost_card_is_down(nvml: FakeDriver, exporter: Exporter) -> None:
    exporter.scrape()
    nvml.set(gpu=0, mode="lost")
    found = exporter.scrape()
    assert found["trainwarden_gpu_up"] == {f"0,{uuid_of(0)}": 0}
    assert found["trainwarden_collector_success"]["gpu"] == 1


def test_an_absent_checkpoint_folder_and_a_broken_run_are_clear_facts(exporter: Exporter, tmp_path: Path) -> None:
    write(runs_root(), spec("waits", checkpoints=str(tmp_path / "none")), _live())
    broken = write(runs_root(), spec("broken"), _live())
    broken.state_path.write_text("{")
    found = exporter.scrape()
    assert found["trainwarden_checkpoint_folder_up"] == {"waits": 0}
    assert found["trainwarden_run_up"] == {"waits": 1}
    assert [name for name, value in found["trainwarden_collector_success"].items() if not value] == ["runs"]
    said = exporter.close()
    assert said.startswith(f"trainwarden exporter: collector runs: {broken.state_path}: ")
    assert said.count("\n") == 1


def _live() -> RunState:
    """A run of this boot."""
    return state(beat_at=time.time(), training=Identity(boot_id(), 1, 1, 1))
