"""The scale's own parts work; what it measures is not asserted, for a busy machine would fail it."""

from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.restart.test_metrics import OF_A_CASE
from tests.restart.world import World
from tests.rules import shipped
from tests.scale import fleet, history
from tests.scale.measure import measure
from trainwarden import names, textformat
from trainwarden.config import Config
from trainwarden.drill import scaling
from trainwarden.restart.metrics import ReceiverMetrics, Tally
from trainwarden.restart.worker import Worker
from trainwarden.stack.tools import Tools


def test_a_machine_has_eight_gpus_and_two_runs_on_four_of_them_each() -> None:
    lines = fleet.exporter()
    assert len([line for line in lines if line.name == names.GPU_UTILIZATION.name]) == 8
    cards = [dict(line.labels) for line in lines if line.name == names.RUN_GPU.name]
    assert [(card["run"], card["gpu"]) for card in cards] == [("luca", gpu) for gpu in "0123"] + [
        ("mia", gpu) for gpu in "4567"
    ]


def test_a_receiver_says_what_the_real_one_says_of_a_run(tmp_path: Path) -> None:
    """But what stands there only after something happened, of which the fleet has one series each."""
    world = World(tmp_path)
    worker = Worker(Config(), world.root, launcher_for=lambda _: world, read_exporter=lambda _: world.exporter)
    families = text_string_to_metric_families(
        textformat.write(ReceiverMetrics(worker.desks, Tally()).collect()).decode()
    )
    told = {(s.name, tuple(s.labels.items())) for f in families for s in f.samples if s.name in shipped.metrics()}
    served = [(line.name, line.labels) for line in fleet.receiver() if dict(line.labels)["run"] == world.spec.name]
    assert told == {one for one in served if one[0] not in OF_A_CASE}
    assert len({name for name, _ in served} & OF_A_CASE) == sum(name in OF_A_CASE for name, _ in served)


def test_every_metric_of_a_rule_is_served() -> None:
    served = {line.name for line in (*fleet.exporter(), *fleet.receiver())}
    assert shipped.metrics() - served == set()


def test_a_page_is_what_an_exporter_would_say() -> None:
    lines = fleet.exporter()
    text = fleet.page(lines, 1000.0, 1060.0).replace(fleet.MACHINE, "machine-0001")
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert len(samples) == len(lines)
    (used,) = {s.labels["uuid"] for s in samples if s.name == names.GPU_MEMORY_USED.name and s.labels["gpu"] == "3"}
    assert used == "GPU-machine-0001-3"


def test_what_was_a_moment_ago_stays_a_moment_ago() -> None:
    step = next(line for line in fleet.exporter() if line.name == names.RUN_LAST_STEP.name)
    saved = next(line for line in fleet.exporter() if line.name == names.CHECKPOINT_LAST.name)
    assert 1060 - step.at(1000.0, 1060.0) < 60
    assert saved.at(1000.0, 1060.0) == saved.at(1000.0, 1000.0)


def test_a_metric_gets_as_much_history_as_a_rule_looks_back_at_it() -> None:
    back = fleet.looks_back()
    assert back(names.RUN_ERRORS.name) >= 900
    assert back(names.GPU_UTILIZATION.name) >= 600


def test_what_a_recording_looks_back_at_has_a_past_too() -> None:
    """Or what reads it would be cheap: it is one of the rules' own recordings, and no page has it."""
    lines = [*fleet.exporter(), *fleet.receiver()]
    recorded = fleet.recordings(lines)
    assert {line.name: {name for name, _ in line.labels} for line in recorded} == {
        "run:trainwarden_checkpoint_folder_up:max5m": {"run"},
        "run_reason:trainwarden_run_restarts_total:max": {"run", "reason"},
    }
    assert {dict(line.labels)["run"] for line in recorded} == set(fleet.RUNS)
    every = {rule["record"] for rule in shipped.recordings()}
    far = {name for name in every if fleet.looks_back()(name) >= fleet.AN_HOUR}
    assert far == {line.name for line in recorded}


def test_that_past_is_as_dense_as_it_is_recorded() -> None:
    (group,) = yaml.safe_load((shipped.RULES / "history.yml").read_text())["groups"]
    assert scaling.seconds(group["interval"]) == history.EVERY_RECORDING


def test_prometheus_takes_the_history_in_and_evaluates_every_group(tools: Tools, tmp_path: Path) -> None:
    said: list[str] = []
    found = measure(tools.prometheus, tmp_path, 2, 0, said.append, every=1)
    assert set(found.groups) >= set(shipped.GROUPS)
    assert sum(group.rules for group in found.groups.values()) == len(shipped.rules())
    assert "samples of history" in said[0]
    assert found.series > found.inputs == 2 * len([*fleet.exporter(), *fleet.receiver()])
