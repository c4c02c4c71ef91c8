"""The exporter's whole answer for one whole machine has not drifted, and promtool finds nothing in it."""

import subprocess
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.golden.__main__ import EXPORTER
from tests.golden.machine import render
from trainwarden import names
from trainwarden.stack.tools import Tools


def test_metrics_are_as_the_golden_file_has_them(nvml_library: Path, tmp_path: Path) -> None:
    found = render(nvml_library, tmp_path)
    assert found == EXPORTER.read_text(), "if this change is meant: make golden"


def test_every_family_of_the_exporter_is_in_the_golden_file_with_its_labels() -> None:
    found = {}
    for family in text_string_to_metric_families(EXPORTER.read_text()):
        labels = {tuple(sorted(sample.labels.keys() - {"le"})) for sample in family.samples}
        found[family.name + ("_total" if family.type == "counter" else "")] = (family.type, labels)
    assert found == {family.name: (family.kind, {tuple(sorted(family.labels))}) for family in names.EXPORTER_FAMILIES}


def test_promtool_finds_nothing_in_the_golden_file(tools: Tools) -> None:
    with EXPORTER.open() as text:
        check = subprocess.run(
            [tools.promtool, "check", "metrics"], stdin=text, capture_output=True, text=True, timeout=30, check=False
        )
    assert (check.returncode, check.stdout + check.stderr) == (0, "")
