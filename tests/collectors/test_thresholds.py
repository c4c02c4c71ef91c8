from pathlib import Path

from tests.collectors.samples import BOOT, NOW, progress, spec, state, values, write
from trainwarden import guide
from trainwarden.collectors import runs, thresholds
from trainwarden.config import Config


def read(root: Path, config: Config, saves_apart: dict[str, float] | None = None) -> dict[str, dict[str, float]]:
    found = runs.Runs(root, keep_ended=60.0).read(NOW, BOOT)
    return values(thresholds.families(thresholds.read(config, found.runs, saves_apart or {})))


def test_every_number_of_the_guide_is_a_series(tmp_path: Path) -> None:
    write(tmp_path, spec(), state())
    found = read(tmp_path, Config())
    assert found["trainwarden_threshold"] == {f"{t.level},{t.signal}": t.value for t in guide.MACHINE}
    assert found["trainwarden_run_threshold"] == {f"{t.level},luca,{t.signal}": t.value for t in guide.RUN}


def test_overrides_of_the_machine_and_then_of_the_run_come_before_the_guide(tmp_path: Path) -> None:
    config = Config(
        thresholds={
            "swap_used_bytes": {"warning": 1.0},
            "checkpoint_age_seconds": {"hung": 60.0, "overdue": 90.0},
        }
    )
    write(tmp_path, spec(thresholds={"checkpoint_age_seconds": {"hung": 30.0}}), state())
    found = read(tmp_path, config)
    assert found["trainwarden_threshold"]["warning,swap_used_bytes"] == 1
    assert found["trainwarden_run_threshold"]["hung,luca,checkpoint_age_seconds"] == 30
    assert found["trainwarden_run_threshold"]["overdue,luca,checkpoint_age_seconds"] == 90


def test_a_slow_run_is_stalled_by_its_own_rhythm(tmp_path: Path) -> None:
    write(tmp_path, spec(profile="conservative"), state(), progress(median_step_seconds=60.0))
    found = read(tmp_path, Config())["trainwarden_run_threshold"]
    assert found["stalled,luca,step_age_seconds"] == 1200
    assert found["warning,luca,step_duration_seconds"] > 4


def test_a_checkpoint_is_overdue_by_the_runs_own_rhythm_once_it_has_one(tmp_path: Path) -> None:
    write(tmp_path, spec(), state())
    found = read(tmp_path, Config(), {"luca": 230 * 60.0, "another": 1.0})["trainwarden_run_threshold"]
    assert found["overdue,luca,checkpoint_age_seconds"] == 345 * 60


def test_what_the_user_says_of_an_overdue_checkpoint_comes_before_the_runs_own_rhythm(tmp_path: Path) -> None:
    write(tmp_path, spec(thresholds={"checkpoint_age_seconds": {"overdue": 7200.0}}), state())
    found = read(tmp_path, Config(), {"luca": 230 * 60.0})["trainwarden_run_threshold"]
    assert found["overdue,luca,checkpoint_age_seconds"] == 7200
