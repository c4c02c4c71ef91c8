"""The committed dashboards are what the generator writes."""

import sys

import pytest

from tests.grafana.board import DASHBOARDS

pytestmark = [
    pytest.mark.skipif(
        sys.version_info < (3, 11), reason="grafana-foundation-sdk, the generator's library, needs Python 3.11"
    ),
    # The library would have the second dashboard model, which Grafana before 12 does not read.
    pytest.mark.filterwarnings("ignore:Prefer using dashboardv2:DeprecationWarning"),
]


def test_the_committed_dashboards_are_the_generated_ones() -> None:
    from grafana.build.__main__ import rendered

    committed = {path.name: path.read_text() for path in DASHBOARDS}
    assert committed == rendered(), "run `make dashboards` and commit what it writes"


def test_a_label_that_a_family_has_not_stops_the_build() -> None:
    from grafana.build import queries

    from trainwarden import names

    with pytest.raises(ValueError, match="trainwarden_run_step has no label gpu"):
        queries.run(names.RUN_STEP, gpu="0")


def test_a_threshold_that_the_guide_has_not_stops_the_build() -> None:
    from grafana.build import queries

    with pytest.raises(ValueError, match="no threshold step_duration_seconds/dangerous"):
        queries.run_threshold("step_duration_seconds", "dangerous")
