"""What is said where an answer does not come, or is not what was asked for."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.ports import free_port
from tests.support.trickle import trickling
from trainwarden.chain.alertmanager import Alertmanager
from trainwarden.chain.asking import AskError
from trainwarden.chain.grafana import Grafana
from trainwarden.chain.metrics import Exporter, Receiver
from trainwarden.chain.prometheus import Prometheus


@contextmanager
def answering(body: bytes, status: int = 200, *, post: bool = False) -> Iterator[str]:
    """A server that says the same to every GET, or to every POST."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    setattr(Handler, "do_POST" if post else "do_GET", Handler.answer)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def said(ask: Callable[[], object]) -> str:
    with pytest.raises(AskError) as caught:
        ask()
    return str(caught.value)


def test_nobody_at_the_address() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert said(Prometheus(url).targets) == f"Prometheus does not answer at {url}: connection refused"


def test_a_host_that_does_not_exist() -> None:
    url = "http://no-such-host.invalid:9090"
    assert said(Prometheus(url).targets).startswith(f"Prometheus does not answer at {url}: ")


def test_one_who_trickles_is_waited_for_no_longer_than_the_deadline() -> None:
    began = time.monotonic()
    with trickling() as url:
        assert said(Alertmanager(url, 0.3).receivers) == f"Alertmanager does not answer within 0.3 s at {url}"
    assert time.monotonic() - began < 30, "not the minute that the body would take"


def test_a_status_that_is_no_success_is_said_with_its_words() -> None:
    with answering(b"TSDB is broken\nfor a long reason", 503) as url, pytest.raises(AskError) as caught:
        Prometheus(url).targets()
    assert str(caught.value) == f"Prometheus answers 503 at {url}/api/v1/targets: TSDB is broken"
    assert (caught.value.status, caught.value.said) == (503, "TSDB is broken")


def test_another_service_at_the_address() -> None:
    with answering(b"<html>hello") as url:
        assert said(Prometheus(url).rules).startswith(f"what answers at {url} does not speak as Prometheus does: ")
        assert said(Alertmanager(url).alerts).startswith(f"what answers at {url} does not speak as Alertmanager does: ")
        metrics = f"what answers at {url} does not speak as the exporter does: "
        assert said(Exporter(url).metrics).startswith(metrics)


def test_the_exporter_taken_for_the_receiver() -> None:
    with answering(b'trainwarden_build_info{version="1"} 1\n') as url:
        assert Exporter(url).metrics().value("trainwarden_build_info") == 1
        stranger = f"what answers at {url} does not speak as the receiver does: "
        assert said(Receiver(url).metrics) == f"{stranger}trainwarden_alerts_received_total is not among its metrics"


def test_a_password_in_the_address_is_never_said() -> None:
    port = free_port()
    ask = Prometheus(f"http://me:geheim@127.0.0.1:{port}").targets
    assert said(ask) == f"Prometheus does not answer at http://127.0.0.1:{port}: connection refused"


def test_grafana_tells_what_is_wrong_with_its_source() -> None:
    body = b'{"message": "Post \\"http://prometheus:9090\\": no such host", "status": "ERROR"}'
    with answering(body, 400) as url:
        assert "no such host" in Grafana(url).source_fault("trainwarden")
    with answering(b'{"message": "Successfully queried the Prometheus API.", "status": "OK"}') as url:
        assert Grafana(url).source_fault("trainwarden") == ""
    with answering(b'{"message": "Unauthorized"}', 401) as url:
        assert "answers 401" in said(lambda: Grafana(url).source_fault("trainwarden"))
