"""The shipped rules and dashboards are found in the repository and in the installed wheel."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from trainwarden.errors import StackError
from trainwarden.stack import assets


def test_in_the_repository_its_own_folders_are_found() -> None:
    found = assets.find()
    assert found == (REPOSITORY / "prometheus", REPOSITORY / "alertmanager", REPOSITORY / "grafana")


def test_an_installation_without_them_is_one_sentence(tmp_path: Path) -> None:
    package = tmp_path / "site-packages/trainwarden"
    with pytest.raises(StackError, match="the rules and dashboards are missing from this installation"):
        assets.find(package)


def test_the_built_wheel_carries_everything_that_up_reads(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, REPOSITORY], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("trainwarden-*.whl")
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True, capture_output=True)
    ask = "from trainwarden.stack import assets; print(*assets.find(), sep='\\n')"
    # -I -S would hide the dependencies, so the installed copy is put before the checkout instead.
    done = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    folders = [Path(line) for line in done.stdout.splitlines()]
    assert folders == [site / "trainwarden/bundled" / name for name in ("prometheus", "alertmanager", "grafana")]
    for mine, shipped in zip(folders, assets.find(), strict=True):
        assert files(mine) == files(shipped)


def files(folder: Path) -> set[str]:
    """What the wheel is to carry: not what generates the dashboards, nor the checkout's own targets."""
    apart = ("build/", "targets/", "tests/")
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith(apart) and not name.endswith(".gitkeep")}
