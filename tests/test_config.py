"""Mistakes in trainwarden.yml, each answered with one sentence that names file, path and mend."""

from pathlib import Path

import pytest

from trainwarden import config, guide
from trainwarden.errors import ConfigurationError

CASES = Path(__file__).parent / "cases" / "config"


@pytest.mark.parametrize("case", sorted(CASES.glob("*.yml")), ids=lambda path: path.stem)
def test_a_mistake_is_answered_by_its_sentence(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    expected = case.with_suffix(".error").read_text().strip()
    with pytest.raises(ConfigurationError) as caught:
        config.load(Path(case.name))
    assert str(caught.value) == expected


def launched_by(**engine: object) -> dict[str, object]:
    return {"launcher": engine}


UNIT = {"start": ["systemctl", "start", "t@{name}"], "probe": ["lives", "{name}"], "stop": ["stop", "t@{name}"]}
POD = {"start": ["pod", "{run_id}"], "probe": ["lives", "{run_id}"], "stop": ["stop", "{run_id}"]}


@pytest.mark.parametrize(
    ("luca", "mira"),
    [
        ({"checkpoints": "/out", "output_name": "luca"}, {"checkpoints": "/out", "output_name": "mira"}),
        ({"checkpoints": "/luca", "output_name": "lora"}, {"checkpoints": "/mira", "output_name": "lora"}),
        # Two ways of one training: that they are not under way together is seen at the launch.
        (
            {"checkpoints": "/out", "output_name": "lora", "profile": "balanced"},
            {"checkpoints": "/out", "output_name": "lora", "profile": "conservative"},
        ),
        # Their commands may name their files, and be called in folders of their own.
        ({"checkpoints": "/out"}, {"checkpoints": "/out"}),
        ({"checkpoints": "out", "output_name": "lora"}, {"checkpoints": "out", "output_name": "lora"}),
        # Each has a window of its own in the session.
        (launched_by(tmux={"session": "night"}), launched_by(tmux={"session": "night"})),
        (launched_by(command=UNIT), launched_by(command=UNIT)),
        (launched_by(command=POD), launched_by(command=POD)),
        (launched_by(docker={"container": "a"}), launched_by(docker={"container": "b"})),
        (
            launched_by(docker={"container": "a"}),
            launched_by(docker={"container": "a", "socket": "/run/user/1000/docker.sock"}),
        ),
        # One after the other, as Slurm is asked; and a script that goes by the job's name.
        (
            launched_by(slurm={"script": "/a.sbatch", "arguments": ["-Jnight", "--dependency=singleton"]}),
            launched_by(slurm={"script": "/b.sbatch", "arguments": ["-Jnight", "--dependency=singleton"]}),
        ),
        (
            launched_by(slurm={"script": "/a.sbatch", "arguments": ["--job-name=luca"]}),
            launched_by(slurm={"script": "/a.sbatch", "arguments": ["--job-name", "mira"]}),
        ),
        (
            launched_by(slurm={"script": "/a.sbatch", "arguments": ["--export=ALL,RUN=luca"]}),
            launched_by(slurm={"script": "/a.sbatch", "arguments": ["--export=ALL,RUN=mira"]}),
        ),
    ],
)
def test_two_runs_may_share_what_is_not_ones_own(luca: dict[str, object], mira: dict[str, object]) -> None:
    assert set(config.parse({"runs": {"luca": luca, "mira": mira}}, "trainwarden.yml").runs) == {"luca", "mira"}


def test_no_file_is_the_guide_on_loopback(state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = config.load(config.find())
    assert loaded == config.Config()
    assert loaded.exporter.listen.startswith("127.0.0.1:")
    assert loaded.receiver.listen.startswith("127.0.0.1:")


def test_an_empty_file_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "trainwarden.yml").write_text("# nothing yet\n")
    assert config.load(tmp_path / "trainwarden.yml") == config.Config()


def test_a_named_file_that_is_absent_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yml: cannot be read: No such file"):
        config.load(tmp_path / "absent.yml")


def test_the_nearer_file_wins(state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    user = tmp_path / "config" / "trainwarden" / "trainwarden.yml"
    user.parent.mkdir(parents=True)
    user.touch()
    assert config.find() == user
    Path("trainwarden.yml").touch()
    assert config.find() == Path("trainwarden.yml")
    monkeypatch.setenv("TRAINWARDEN_CONFIG", "other.yml")
    assert config.find() == Path("other.yml")
    assert config.find("explicit.yml") == Path("explicit.yml")


@pytest.mark.parametrize(
    ("written", "seconds"), [("90s", 90), ("1h30m", 5400), ("2d", 172800), (45, 45), (0.5, 0.5), ("0.5s", 0.5)]
)
def test_durations_are_written_as_prometheus_writes_them(written: object, seconds: float) -> None:
    loaded = config.parse({"runs": {"luca": {"limits": {"term_grace": written}}}}, "trainwarden.yml")
    assert loaded.runs["luca"].limits.term_grace == seconds


def numbers(table: guide.Table) -> dict[tuple[str, str], float]:
    return {key: in_force.value for key, in_force in table.items()}


def test_a_runs_threshold_goes_over_the_machines_and_that_over_the_guides() -> None:
    loaded = config.parse({"thresholds": {"step_duration_seconds": {"warning": 5}}}, "trainwarden.yml")
    machine = numbers(config.run_thresholds(loaded, "balanced", {}, None))
    own = numbers(config.run_thresholds(loaded, "balanced", {"step_duration_seconds": {"warning": 7}}, None))
    assert machine["step_duration_seconds", "warning"] == 5
    assert own["step_duration_seconds", "warning"] == 7
    assert own["step_duration_seconds", "expected"] == 2.5


def test_the_guides_numbers() -> None:
    machine = numbers(config.machine_thresholds(config.Config()))
    run = numbers(config.run_thresholds(config.Config(), "balanced", {}, None))
    assert (machine["memory_used_ratio", "warning"], machine["memory_used_ratio", "danger"]) == (0.70, 0.85)
    assert machine["memory_used_ratio", "advice"] == 0.80
    assert machine["memory_available_bytes", "warning"] == 8 * guide.GIB
    assert machine["memory_available_bytes", "danger"] == 4 * guide.GIB
    assert machine["memory_available_bytes", "preflight"] == 10 * guide.GIB
    assert machine["swap_used_bytes", "warning"] == 500 * guide.MIB
    assert machine["swap_used_bytes", "danger"] == 2 * guide.GIB
    assert (machine["gpu_temperature_celsius", "warning"], machine["gpu_temperature_celsius", "danger"]) == (75, 85)
    assert (run["gpu_memory_used_ratio", "low"], run["gpu_memory_used_ratio", "high"]) == (0.90, 0.98)
    assert (run["gpu_utilization_ratio", "idle"], run["gpu_utilization_ratio", "target"]) == (0.05, 0.95)
    assert run["step_duration_seconds", "warning"] == 3.0
    assert run["checkpoint_age_seconds", "hung"] == 1800


def test_a_conservative_run_is_normal_when_30_percent_slower_and_at_12_of_16_gb() -> None:
    run = numbers(config.run_thresholds(config.Config(), "conservative", {}, None))
    assert run["step_duration_seconds", "warning"] > 2.5 / 0.7
    assert run["gpu_memory_used_ratio", "low"] <= 12 / 16.3
    assert run["checkpoint_age_seconds", "overdue"] == 150 * 60


def test_of_every_threshold_it_is_told_who_decided_it() -> None:
    loaded = config.parse({"thresholds": {"step_duration_seconds": {"warning": 5, "expected": 4}}}, "trainwarden.yml")
    run = config.run_thresholds(loaded, "conservative", {"step_duration_seconds": {"warning": 7}}, 60.0)
    assert run["step_duration_seconds", "warning"] == (7, guide.Source.RUN, "thresholds in run.json")
    assert run["step_duration_seconds", "expected"] == (4, guide.Source.MACHINE, "thresholds in trainwarden.yml")
    assert run["gpu_memory_used_ratio", "low"] == (0.73, guide.Source.PROFILE, "profile conservative, guide §3")
    assert run["gpu_memory_used_ratio", "high"] == (0.98, guide.Source.GUIDE, "guide §1")
    assert run["phase_age_seconds", "warning"] == (3600, guide.Source.TRAINWARDEN, "trainwarden")
    assert run["step_age_seconds", "stalled"] == (1200, guide.Source.RHYTHM, "20 × the run's median step of 60 s")


def test_stalled_follows_the_runs_own_median_where_that_is_longer() -> None:
    assert numbers(config.run_thresholds(config.Config(), "balanced", {}, 2.5))["step_age_seconds", "stalled"] == 600
    assert numbers(config.run_thresholds(config.Config(), "balanced", {}, 60.0))["step_age_seconds", "stalled"] == 1200


@pytest.mark.parametrize(
    ("apart_minutes", "overdue_minutes", "where"),
    [
        (None, 105, "guide §1"),
        (230, 345, "1.5 × the 230 min between the run's own saves"),
        (40, 60, "1.5 × the 40 min between the run's own saves"),
        (2, 30, "the run saves every 2 min, and 30 min are not old yet"),
    ],
)
def test_a_checkpoint_is_overdue_by_the_runs_own_saves(
    apart_minutes: float | None, overdue_minutes: float, where: str
) -> None:
    apart = None if apart_minutes is None else apart_minutes * 60
    found = config.run_thresholds(config.Config(), "balanced", {}, None, apart)["checkpoint_age_seconds", "overdue"]
    assert (found.value, found.where) == (overdue_minutes * 60, where)
