"""What a scrape gets: one reading for all that come together, in the time and the form that each asked for."""

import gzip
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.wait import wait_until
from tests.web.serving import good, serving, serving_site
from trainwarden.config import ExporterConfig
from trainwarden.errors import ConfigurationError
from trainwarden.series import Series
from trainwarden.web.exposition import ExporterPages
from trainwarden.web.flight import SingleFlight
from trainwarden.web.rendering import Rendered


class HeldUp:
    """Readings that wait until they are let go."""

    def __init__(self) -> None:
        self.asked: list[float | None] = []
        self.go = threading.Event()

    def __call__(self, seconds: float | None) -> list[Series]:
        self.asked.append(seconds)
        assert self.go.wait(20)
        return good()


@pytest.fixture
def flights(monkeypatch: pytest.MonkeyPatch) -> list[SingleFlight]:
    """Every single flight that is made, to look into."""
    made: list[SingleFlight] = []
    init = SingleFlight.__init__
    monkeypatch.setattr(SingleFlight, "__init__", lambda self, read: (made.append(self), init(self, read))[1])
    return made


def _waiting(flight: SingleFlight) -> int:
    """How many wait for the reading of another."""
    return len(flight._flight._condition._waiters) if flight._flight else 0  # type: ignore[attr-defined]


def test_fifty_scrapes_at_once_cost_one_reading_and_the_next_a_new_one(flights: list[SingleFlight]) -> None:
    held = HeldUp()
    with serving(held, max_requests=0) as served, ThreadPoolExecutor(50) as pool:
        answers = [pool.submit(served.get, "/metrics") for _ in range(50)]
        wait_until(lambda: _waiting(flights[0]) == 49, 10, "all fifty wait")
        held.go.set()
        assert {answer.result().text for answer in answers} == {answers[0].result().text}
        assert len(held.asked) == 1
        served.get("/metrics")
        assert len(held.asked) == 2


def test_more_scrapes_than_allowed_are_503_and_counted(flights: list[SingleFlight]) -> None:
    held = HeldUp()
    with serving(held, max_requests=3) as served, ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(served.get, "/metrics") for _ in range(3)]
        wait_until(lambda: _waiting(flights[0]) == 2, 10, "all three wait")
        refused = served.get("/metrics")
        assert (refused.status, refused.text.count("\n")) == (503, 1)
        assert "--web.max-requests" in refused.text
        assert served.get("/-/healthy").status == 200, "this is no scrape"
        held.go.set()
        assert [answer.result().status for answer in answers] == [200] * 3
        assert 'trainwarden_http_requests_total{code="503"} 1.0' in served.get("/metrics").text


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("10", 9.5),
        ("10.000000", 9.5),
        ("0.6", 0.3),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_a_reading_takes_no_longer_than_prometheus_waits(header: str, seconds: float | None) -> None:
    held = HeldUp()
    held.go.set()
    with serving(held) as served:
        served.get("/metrics", X_Prometheus_Scrape_Timeout_Seconds=header)
    assert held.asked == [pytest.approx(seconds)]


def test_who_joins_a_reading_that_comes_too_late_for_it_is_told_so(flights: list[SingleFlight]) -> None:
    held = HeldUp()
    with serving(held) as served, ThreadPoolExecutor(1) as pool:
        first = pool.submit(served.get, "/metrics")
        wait_until(lambda: held.asked, 5, "the first one reads")
        late = served.get("/metrics", X_Prometheus_Scrape_Timeout_Seconds="0.2")
        assert (late.status, late.text.count("\n")) == (503, 1)
        held.go.set()
        assert first.result().status == 200


@pytest.mark.parametrize("header", ["no-cache", "max-age=0, No-Cache"])
def test_who_wants_it_anew_gets_no_reading_that_began_before_it_asked(header: str) -> None:
    release = threading.Event()
    wanted: list[bool] = []

    def read(seconds: float | None, *, anew: bool) -> list[Series]:
        wanted.append(anew)
        assert anew or release.wait(20)
        return good()

    site = ExporterPages(ExporterConfig(), read).site()
    with serving_site(site) as served, ThreadPoolExecutor(1) as pool:
        first = pool.submit(served.get, "/metrics")
        wait_until(lambda: wanted == [False], 10, "a reading for others is under way")
        assert served.get("/metrics", Cache_Control=header).status == 200
        assert wanted == [False, True]
        release.set()
        assert first.result().status == 200


def test_a_reading_that_fails_fails_for_all_and_the_next_is_tried_anew(flights: list[SingleFlight]) -> None:
    outcomes = iter([ValueError("once"), None])

    def read(seconds: float | None, *, anew: bool) -> Iterator[Series]:
        if error := next(outcomes):
            raise error
        return iter(good())

    flight = SingleFlight(read)
    with pytest.raises(ValueError, match="once"):
        flight.take()
    assert flight.last(60) is None
    assert flight.take() is flight.last(60)


def test_ready_means_that_every_collector_reads_and_names_those_that_do_not() -> None:
    failing: list[str] = ["gpu"]
    with serving(lambda _: good(*failing)) as served:
        refused = served.get("/-/ready")
        assert (refused.status, refused.text) == (
            503,
            "Not ready: no whole reading from collector gpu; the exporter's log says why.\n",
        )
        assert served.get("/-/healthy").status == 200
        failing.append("runs")
        assert "from collectors gpu, runs;" in served.get("/-/ready").text
        failing.clear()
        assert served.get("/-/ready").status == 200, "a reading is taken anew where the last was bad"


def test_ready_takes_no_reading_where_the_last_is_fresh_and_good(monkeypatch: pytest.MonkeyPatch) -> None:
    held = HeldUp()
    held.go.set()
    with serving(held) as served:
        served.get("/metrics")
        assert served.get("/-/ready").status == 200
        assert len(held.asked) == 1
        monkeypatch.setattr("trainwarden.web.exposition.FRESH_SECONDS", 0.0)
        assert served.get("/-/ready").status == 200
        assert len(held.asked) == 2


def test_ready_does_not_wait_for_a_reading_longer_than_its_client(flights: list[SingleFlight]) -> None:
    held = HeldUp()
    with serving(held) as served, ThreadPoolExecutor(1) as pool:
        scrape = pool.submit(served.get, "/metrics")
        wait_until(lambda: held.asked, 5, "a scrape is under way")
        assert served.get("/-/ready", X_Prometheus_Scrape_Timeout_Seconds="0.2").status == 503
        held.go.set()
        scrape.result()


def test_gzip_is_sent_only_to_who_takes_it_and_the_answer_says_that_it_varies() -> None:
    with serving() as served:
        plain, zipped = (
            served.get("/metrics", Accept_Encoding="gzip;q=0"),
            served.get("/metrics", Accept_Encoding="gzip"),
        )
    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert b"trainwarden_host_memory_total_bytes 32.0\n" in gzip.decompress(zipped.body)
    assert plain.headers["Vary"] == zipped.headers["Vary"] == "Accept, Accept-Encoding"


def test_each_form_of_a_reading_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = Rendered(good())
    first = rendered.answer({"accept-encoding": "gzip"})
    monkeypatch.setattr("trainwarden.textformat.write", None)
    assert rendered.answer({"accept-encoding": "gzip"}) == first
    assert b"memory" in rendered.answer({}).body


def test_the_metrics_may_lie_elsewhere_and_the_page_leads_there() -> None:
    with serving(telemetry_path="/gpu/metrics") as served:
        assert served.get("/gpu/metrics").status == 200
        assert served.get("/metrics").text == "There is nothing here; the readings are at /gpu/metrics.\n"
        assert '<a href="gpu/metrics">' in served.get("/").text
    with serving(telemetry_path="/") as served:
        assert "trainwarden_host_memory_total_bytes" in served.get("/").text


@pytest.mark.parametrize("path", ["", "metrics", "/-/ready", "/a b", "/a?b", "/é"])
def test_a_place_that_cannot_be_is_one_sentence(path: str) -> None:
    with pytest.raises(ConfigurationError) as refused, serving(telemetry_path=path):
        pass
    assert str(refused.value) == (
        f"exporter.telemetry_path: '{path}' cannot be the place of the metrics; write a path like /metrics that is none"
        " of /-/healthy, /-/ready"
    )
