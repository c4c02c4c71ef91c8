"""The bench's own parts work; what it measures is not asserted here, for a busy machine would fail it."""

import http.server
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench import again, floor, follower, report, restart, scrapes
from tests.bench.client import Client, count_series
from tests.bench.processes import cpu_seconds, parse_resident, resident_bytes, started
from tests.bench.report import Part, Target
from tests.bench.tally import Tally
from tests.support import storm
from tests.support.nvml import FakeDriver
from tests.support.wait import wait_until

PAGE = b'# HELP up Whether.\n# TYPE up gauge\nup{job="x"} 1\nload 0.5\n'


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """A server that answers with ``PAGE`` and then hangs up."""
    with http.server.HTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()


def test_a_scrape_has_the_body_and_how_long_it_took(port: int) -> None:
    client = Client(port)
    for _ in range(2):  # the server hangs up after each
        scrape = client.scrape()
        assert scrape.body == PAGE
        assert 0 < scrape.seconds < 10
    client.close()


def test_series_are_the_lines_that_are_no_comments() -> None:
    assert count_series(PAGE) == 2


def test_cpu_time_grows_with_work_and_not_with_sleep() -> None:
    before = cpu_seconds(os.getpid())
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    worked = cpu_seconds(os.getpid()) - before
    assert worked >= 0.05
    assert cpu_seconds(os.getpid()) - before < worked + 0.05


def test_another_process_is_read_and_one_that_is_gone_raises(tmp_path: Path) -> None:
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    with started(sleeping, {}, tmp_path, "log") as process:
        assert wait_until(lambda: cpu_seconds(process.pid), 20, "it has begun") > 0
        assert resident_bytes(process.pid) > 0
    with pytest.raises(OSError):
        cpu_seconds(process.pid)


def test_resident_memory_is_read_from_the_status_file() -> None:
    assert parse_resident("Name:\tx\nVmPeak:\t  9 kB\nVmRSS:\t   12 kB\nThreads:\t1\n") == 12 * 1024
    assert parse_resident("Name:\tkthreadd\n") == 0


@pytest.mark.parametrize(("share", "found"), [(0.5, 3), (0.99, 4), (0.0, 1)])
def test_a_percentile_is_one_of_the_values(share: float, found: int) -> None:
    assert scrapes.percentile([4, 1, 3, 2], share) == found


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target("p50", 0.75, 0.75), True),
        (Target("p50", 0.76, 0.75), False),
        (Target("rate", 5, 5, least=True), True),
        (Target("rate", 4.9, 5, least=True), False),
    ],
)
def test_a_target_is_met_up_to_its_bound(target: Target, met: bool) -> None:
    assert target.met == met


TARGETS = [Target("p50", 0.9, 0.75, "×"), Target("RSS", 1, 1)]
PARTS = [Part("Title", ("", "ours"), [("p50, ms", "4.2")], TARGETS, ("note",))]


def test_the_report_says_what_is_missed_and_what_is_met() -> None:
    console = Console(record=True, width=100, file=io.StringIO())
    report.show(PARTS, console)
    said = console.export_text()
    assert "MISSED  p50: 0.9 × (at most 0.75 ×)" in said
    assert "   met  RSS: 1 (at most 1)" in said


def test_json_and_markdown_hold_the_same() -> None:
    (part,) = json.loads(report.as_json(PARTS))["parts"]
    assert [target["met"] for target in part["targets"]] == [False, True]
    markdown = report.as_markdown(PARTS)
    assert "| p50, ms | 4.2 |" in markdown
    assert "- **missed**: p50: 0.9 × (at most 0.75 ×)" in markdown


@pytest.mark.parametrize(("value", "said"), [(0.012345, "0.0123"), (4.567, "4.57"), (1234.5, "1,234"), (0, "0")])
def test_a_number_has_three_digits_that_matter(value: float, said: str) -> None:
    assert report.number(value) == said


def test_the_generated_log_is_what_the_follower_follows(tmp_path: Path) -> None:
    lines = follower.write(tmp_path / "log", 1_000_000)
    assert (tmp_path / "log").stat().st_size == pytest.approx(1_000_000, rel=0.1)
    assert follower._feed(tmp_path / "log")["steps"] in (lines, lines - 1)  # the first may be where it begins


def test_calls_are_counted_by_function_and_the_floor_makes_as_many(nvml: FakeDriver, tmp_path: Path) -> None:
    tally = Tally(nvml.library, tmp_path / "tally")
    wanted = {"nvmlDeviceGetCount_v2": 1, "nvmlDeviceGetName": 3, "nvmlDeviceGetPowerUsage": 2}
    code = "import ctypes, sys, json; from tests.bench import floor;"
    code += "floor.calls_of(ctypes.CDLL('libnvidia-ml.so.1'), json.loads(sys.argv[1]))"
    environment = {**os.environ, **nvml.environment(), **tally.environment()}
    subprocess.run([sys.executable, "-c", code, json.dumps(wanted)], env=environment, check=True)
    assert tally.read() == wanted | {"nvmlInit_v2": 1, "nvmlDeviceGetCount_v2": 2}  # the floor begins, and counts them


def test_a_call_that_the_driver_refuses_stops_the_floor(nvml: FakeDriver) -> None:
    code = "import ctypes; from tests.bench import floor;"
    code += "floor.calls_of(ctypes.CDLL('libnvidia-ml.so.1'), {'nvmlDeviceGetTemperatureV': 1})"
    nvml.set(gpu=0, mode="unknown")
    command, environment = [sys.executable, "-c", code], {**os.environ, **nvml.environment()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "the driver answered 999; say in _HOW how it is called" in done.stderr


def test_the_floors_page_has_every_series() -> None:
    assert floor.template(['a{b="5%"}', "c"]) % (1.0, 2.5) == 'a{b="5%"} 1.0\nc 2.5\n'


def test_the_storms_p99_is_one_of_its_answers() -> None:
    answers = [storm.Answer(200, seconds) for seconds in (0.3, 0.1, 0.2)]
    assert storm.p99(answers) == 0.3


def test_a_step_counts_as_new_only_behind_the_resume() -> None:
    step = b"steps:   0%|     | 3/10000 [00:00<?]"
    assert not restart._steps_again(step + b"RuntimeError")
    assert not restart._steps_again(step + b"resume training from local state\nsteps:   0%|     | 0/10000 [00:00<?]")
    assert restart._steps_again(b"resume training from local state\n" + step)


def test_who_is_started_again_goes_on_from_its_newest_state(tmp_path: Path) -> None:
    assert "--resume" not in again.command(tmp_path, "10", "35")
    for epoch in (2, 10):
        (tmp_path / f"again-{epoch:06d}-state").mkdir()
    assert again.command(tmp_path, "10", "35")[-4:] == [
        "--resume", str(tmp_path / "again-000010-state"), "--initial_epoch", "11",
    ]  # fmt: skip
