"""From a reading to what a person reads: real Prometheus with the shipped rules, real Alertmanager, Slack's hook.

Every duration of the rules is shorter (drill/scaling.py); nothing else is changed.
"""

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import yaml

from tests.messages.alarm import ADDRESSES, alarm
from tests.messages.conftest import secret
from tests.messages.post import Hook
from tests.rules.story import Night, scrapes
from tests.support.ports import free_port
from tests.support.wait import wait_until
from trainwarden import names, textformat
from trainwarden.drill import scaling
from trainwarden.series import build
from trainwarden.stack.tools import Tools

pytestmark = pytest.mark.waits

FACTOR = 240
"""Two minutes are a second, the half hour for which a threshold's alert is kept is eight."""
SETTLE_SECONDS = 5.0
"""Several of Alertmanager's groups: what would be told twice has been told by then."""
RECOVERED = "RECOVERED: Run lora on workstation was restarted and trains on."


class Machine:
    """What an exporter shows of a machine whose GPU has this temperature."""

    def __init__(self) -> None:
        self.celsius = 47.0

    def page(self) -> bytes:
        told = next(scrapes(Night(1, celsius=((0, self.celsius),))))
        lines = (f"{re.sub(',?instance=.*}', '}', series)} {value}\n" for series, value in (told or {}).items())
        return "".join(lines).encode()


class Recoveries:
    """What a receiver shows of a run whose newest restart, of this generation, was seen to train on."""

    def __init__(self) -> None:
        self.generation, self.at = 0, 0.0

    def recover(self) -> None:
        """Now, by a further launch."""
        self.generation, self.at = max(self.generation, 1) + 1, time.time()

    def page(self) -> bytes:
        told = {
            names.RECOVERY_TIME: self.at,
            names.RECOVERY_STEP: 1000.0 * self.generation,
            names.RECOVERY_STEPS_LOST: 113,
            names.RECOVERY_TIME_LOST: 660,
        }
        labels = ("lora", str(self.generation))
        return textformat.write(build(family, [(labels, value)]) for family, value in told.items() if self.generation)


@contextmanager
def served(page: Callable[[], bytes]) -> Iterator[str]:
    """The address of a metrics page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(page())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@contextmanager
def prometheus(rendered: Path, alertmanager: str, tools: Tools) -> Iterator[None]:
    """By the rendered configuration, which looks every second."""
    file = rendered / "prometheus.yml"
    content = yaml.safe_load(file.read_text())
    content["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    content["rule_files"] = [str(path) for path in scaling.rules(rendered / "rules", rendered / "scaled", FACTOR)]
    file.write_text(yaml.safe_dump(content))
    (rendered / "targets/alertmanager.yml").write_text(yaml.safe_dump([{"targets": [alertmanager]}]))
    url = f"127.0.0.1:{free_port()}"
    data = [
        f"--storage.tsdb.path={rendered / 'data'}",
        f"--web.listen-address={url}",
        "--web.external-url=http://p:9090/",
    ]
    command = [str(tools.prometheus), f"--config.file={file}", *data, "--web.route-prefix=/"]
    with (rendered / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.mark.heavy
def test_a_gpu_grows_warm_then_hot_and_cools_down(tmp_path: Path, slack: Hook, tools: Tools) -> None:
    machine = Machine()
    url = secret(tmp_path / "slack-url", slack.url)
    notify = {"slack": {"api_url_file": url, "channel": "#training"}}

    def read(title: str) -> str:
        found = wait_until(lambda: [text for t, text in slack.texts() if t == title], 60, title)
        return found[0].splitlines()[0]

    with served(machine.page) as address, alarm(tmp_path, notify, tools, {**ADDRESSES, "exporter": address}) as ready:
        where = ready.url.removeprefix("http://")
        with prometheus(tmp_path / "rendered/prometheus", where, tools):
            wait_until(lambda: requests.get(f"{ready.url}/api/v2/alerts", timeout=5).json(), 60, "the watchdog stands")
            machine.celsius = 80.0
            assert read("WARNING: GPU 0 on workstation is warm.") == (
                "GPU 0 on workstation is warm. The GPU is at 80 °C; the warning stands above 75 °C."
            )
            machine.celsius = 90.0
            danger = read("CRITICAL (was WARNING): GPU 0 on workstation is too hot.")
            assert re.fullmatch(
                r"GPU 0 on workstation is too hot\. The GPU is at 90 °C; danger begins above 85 °C\."
                r" It was a warning for [\d.]+m?s before\.",
                danger,
            )
            machine.celsius = 80.0
            cooler = read("OVER: GPU 0 on workstation is too hot.")
            assert cooler.endswith("The warning is over only when you are told so.")
            machine.celsius = 47.0
            read("OVER: GPU 0 on workstation is warm.")
    titles = dict.fromkeys(title for title, _ in slack.texts() if "GPU" in title)
    assert list(titles) == [
        "WARNING: GPU 0 on workstation is warm.",
        "CRITICAL (was WARNING): GPU 0 on workstation is too hot.",
        "OVER: GPU 0 on workstation is too hot.",
        "OVER: GPU 0 on workstation is warm.",
    ]


@pytest.mark.heavy
def test_each_of_two_recoveries_in_five_minutes_is_told_once(tmp_path: Path, slack: Hook, tools: Tools) -> None:
    """An alert stands for 15 minutes, so the second comes while the first still does."""
    receiver = Recoveries()
    url = secret(tmp_path / "slack-url", slack.url)
    notify = {"slack": {"api_url_file": url, "channel": "#training"}}

    def resumed() -> list[str]:
        return [text.partition("resumed ")[2].partition(".")[0] for title, text in slack.texts() if title == RECOVERED]

    with served(receiver.page) as address, alarm(tmp_path, notify, tools, {**ADDRESSES, "receiver": address}) as ready:
        where = ready.url.removeprefix("http://")
        with prometheus(tmp_path / "rendered/prometheus", where, tools):
            wait_until(lambda: requests.get(f"{ready.url}/api/v2/alerts", timeout=5).json(), 60, "the watchdog stands")
            receiver.recover()
            wait_until(resumed, 60, "the first is told")
            time.sleep(5 * 60 / FACTOR)
            assert resumed() == ["at step 2000"]
            receiver.recover()
            wait_until(lambda: len(resumed()) > 1, 60, "the second is told")
            time.sleep(SETTLE_SECONDS)
    assert resumed() == ["at step 2000", "at step 3000"]
