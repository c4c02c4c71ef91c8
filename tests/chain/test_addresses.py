from pathlib import Path

import pytest

from trainwarden.chain.addresses import resolve
from trainwarden.config import Config, ExporterConfig, ReceiverConfig
from trainwarden.errors import ConfigurationError


def test_without_a_stack_the_configuration_says_and_else_the_usual_ports() -> None:
    config = Config(
        exporter=ExporterConfig(listen=":1234", telemetry_path="/readings"), receiver=ReceiverConfig(listen="[::1]:5")
    )
    found = resolve(config, {}, {})
    assert found.exporter == "http://127.0.0.1:1234/readings"
    assert found.receiver == "http://[::1]:5/metrics"
    assert found.prometheus == "http://127.0.0.1:9090"
    assert found.alertmanager == "http://127.0.0.1:9093"
    assert found.grafana == "http://127.0.0.1:3000"
    assert not found.named


def test_what_is_given_comes_before_the_stack_and_that_before_the_configuration() -> None:
    running = {"prometheus": "http://127.0.0.1:1/", "alertmanager": "http://127.0.0.1:2/"}
    found = resolve(Config(), running, {"prometheus": "https://far:443/prom", "exporter": "http://box:9877"})
    assert found.prometheus == "https://far:443/prom"
    assert found.alertmanager == "http://127.0.0.1:2/"
    assert found.exporter == "http://box:9877/metrics"
    assert found.named == {"prometheus", "alertmanager", "exporter"}


def test_what_has_tls_is_asked_by_https(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text("tls_server_config: {cert_file: server.crt, key_file: server.key}")
    found = resolve(Config(exporter=ExporterConfig(web_config_file=str(file))), {}, {})
    assert found.exporter == "https://127.0.0.1:9877/metrics"
    assert found.receiver == "http://127.0.0.1:9878/metrics"


@pytest.mark.parametrize("url", ["127.0.0.1:9090", "ftp://x", "http://"])
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(ConfigurationError, match="--prometheus: write a URL that begins with http:// or https://"):
        resolve(Config(), {}, {"prometheus": url})
