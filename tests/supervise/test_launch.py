"""How a launch goes wrong, and what it leaves behind then."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.supervise.conftest import PYTHON, TICKING, Runs, keeper_pid, until_closed, until_output
from tests.support.wait import wait_until
from trainwarden.collectors import gpu_snapshot
from trainwarden.collectors.gpu_snapshot import GpuUse
from trainwarden.errors import ConfigurationError, RunFolderError
from trainwarden.model import Outcome
from trainwarden.runs.attendance import is_attended
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import detach, launch
from trainwarden.system import monotonic

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_ctrl_c_while_the_run_comes_up_stops_it(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    real = detach.start_keeper

    def interrupted(*args: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(detach, "start_keeper", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runs.start(TICKING)
    found = until_closed(RunFolder("luca"))
    assert found.ended is not None and found.ended.outcome is Outcome.STOPPED_BY_USER


def test_keeper_that_fails_is_reported_with_its_own_words(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.orders, "launch", lambda *_: b"not an order\n")
    began = monotonic()
    with pytest.raises(RunFolderError, match=r"run 'luca': its keeper ended at once: .*JSONDecodeError.*keeper\.log"):
        runs.start(TICKING)
    assert monotonic() - began < 10, "its death is seen, not waited for"


def test_process_of_a_former_run_that_still_lives_is_named(runs: Runs) -> None:
    # A finished run's helper is left alone; a new training beside an old one's remains is not begun.
    helper = "setsid sh -c 'echo helper $$; touch up; exec sleep 600' &"
    folder = runs.start(["/bin/sh", "-c", f"{helper} while [ ! -e up ]; do sleep 0.05; done"])
    until_closed(folder)
    pid = int(until_output(folder, "helper").split()[1])
    wait_until(lambda: not is_attended(folder), 5, "the keeper is gone")
    with pytest.raises(ConfigurationError, match=rf"processes of the former run .* still live \(pid {pid}\)"):
        runs.start(TICKING)
    os.kill(pid, signal.SIGKILL)


def test_gpu_memory_before_the_run_is_written_down(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [
        GpuUse(index=n, uuid=f"GPU-{n}", memory_used_bytes=used, memory_total_bytes=None, utilization_ratio=None)
        for n, used in enumerate([1234, None])
    ]
    monkeypatch.setattr(gpu_snapshot, "snapshot", lambda timeout: cards)
    folder = runs.start(["/bin/true"])
    spec = folder.read_spec()
    assert spec is not None and spec.gpu_baseline_bytes == {"GPU-0": 1234}
    until_closed(folder)


def test_keeper_is_nobodys_child_and_has_no_terminal(runs: Runs, tmp_path: Path) -> None:
    folder = runs.start(TICKING)
    pid = keeper_pid(folder)
    fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    parent, session, terminal = int(fields[1]), int(fields[3]), int(fields[4])
    assert parent != os.getpid()
    assert session not in (pid, os.getsid(0))
    assert terminal == 0
    assert Path(f"/proc/{pid}/cwd").readlink() == folder.path
    os.kill(pid, signal.SIGTERM)
    until_closed(folder)


def test_state_folder_that_cannot_be_written_is_one_sentence(runs: Runs, state_home: Path) -> None:
    (state_home / "trainwarden").write_text("a file where the folder should be")
    with pytest.raises(RunFolderError, match=r"state/trainwarden/runs.*: Not a directory; nothing was launched"):
        runs.start(TICKING)


def test_keeper_imports_the_standard_library_and_little_of_trainwarden() -> None:
    script = "import sys; import trainwarden.supervise.keeper; print(*sorted(sys.modules))"
    done = subprocess.run([PYTHON, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    allowed = {"", ".names", ".system"} | {f".supervise{m}" for m in ("", ".keeper", ".orders", ".outputlog")}
    allowed |= {f".supervise.{m}" for m in ("arrivals", "respawn", "terminal")}
    loaded = {name for name in done.stdout.split() if name.partition(".")[0] == "trainwarden"}
    assert loaded == {f"trainwarden{name}" for name in allowed}
    assert not {"msgspec", "subprocess", "yaml", "click"} & set(done.stdout.split())
