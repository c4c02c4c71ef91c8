"""`trainwarden config`: what a service or a launch would refuse is refused here, before the night and not in it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from trainwarden.cli import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def checked(text: str) -> Result:
    Path("trainwarden.yml").write_text(text)
    return CliRunner().invoke(main, ["config"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("receiver: {token_file: token}", "receiver.token_file: {here}/token: No such file or directory"),
        ("receiver: {token_file: ~/token}", "receiver.token_file: {here}/home/token: No such file or directory"),
        ("exporter: {web_config_file: ~/web.yml}", "{here}/home/web.yml: cannot be read: No such file or directory"),
        (
            "runs: {luca: {recipe: khoya}}",
            "runs.luca.recipe: unknown recipe 'khoya'; allowed here: accelerate, hf, kohya, lightning, none, torch",
        ),
        (
            "runs: {luca: {recipe: hf, adapt: guide}}",
            "run 'luca': adapt: the guide's remedies are settings of kohya's trainer, and recipe hf has none of them;"
            " remove it",
        ),
    ],
)
def test_what_would_be_refused_later_is_said_now(text: str, said: str, tmp_path: Path) -> None:
    result = checked(text)
    assert (result.exit_code, result.stderr) == (2, f"trainwarden: trainwarden.yml: {said.format(here=tmp_path)}\n")


def test_a_good_file_is_said_to_be_good(home: Path) -> None:
    (home / "token").touch(mode=0o600)
    (home / "token").write_text("a long random token")
    (home / "web.yml").write_text("")
    result = checked(
        "receiver: {token_file: ~/token, web_config_file: ~/web.yml}\n"
        "runs: {luca: {thresholds: {gpu_utilization_ratio: {idle: 0}}}, anna: {command: [python, train.py]}}\n"
    )
    assert (result.exit_code, result.output) == (0, "trainwarden.yml: good; runs: anna, luca\n")
