"""What Grafana is given to start with, as shipped and as rendered."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.grafana.board import DASHBOARDS, FOLDER, load
from trainwarden.config import Config
from trainwarden.stack.render import render

ADDRESSES = {name: f"{name}:1" for name in ("exporter", "receiver", "alertmanager", "prometheus")}


def provisioned(folder: Path, kind: str) -> dict[str, Any]:
    content = yaml.safe_load((folder / "provisioning" / kind / "trainwarden.yml").read_text())
    (only,) = content["datasources" if kind == "datasources" else "providers"]
    return dict(only)


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    render(Config(), tmp_path / "rendered", addresses=ADDRESSES, token_file="/token")
    return tmp_path / "rendered/grafana"


def test_the_dashboards_begin_with_the_provisioned_data_source() -> None:
    source = provisioned(FOLDER, "datasources")
    for path in DASHBOARDS:
        choice = load(path)["templating"]["list"][0]
        assert choice["current"] == {"text": source["name"], "value": source["uid"]}


def test_rate_intervals_are_made_from_the_scrape_interval_in_force() -> None:
    scraped = yaml.safe_load((FOLDER.parent / "prometheus/prometheus.yml").read_text())["global"]["scrape_interval"]
    assert provisioned(FOLDER, "datasources")["jsonData"]["timeInterval"] == scraped


def test_as_shipped_it_fits_the_usual_mounts() -> None:
    assert provisioned(FOLDER, "datasources")["url"] == "http://prometheus:9090"
    assert provisioned(FOLDER, "dashboards")["options"]["path"] == "/var/lib/grafana/dashboards"


def test_rendered_it_points_at_the_prometheus_and_the_dashboards_in_force(rendered: Path) -> None:
    assert provisioned(rendered, "datasources")["url"] == "http://prometheus:1"
    folder = Path(provisioned(rendered, "dashboards")["options"]["path"])
    assert sorted(path.name for path in folder.glob("*.json")) == [path.name for path in DASHBOARDS]
