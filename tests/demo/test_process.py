"""The demo as a process: what it prints, how it dies, and that it resumes exactly after real kills."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.demo.conftest import Launch
from tests.support.wait import wait_until
from trainwarden import system
from trainwarden.checkpoints import RECIPES
from trainwarden.checkpoints.catalog import Catalog, newest_valid
from trainwarden.runs.follow import Follower

KOHYA = RECIPES["kohya"]
SHORT = ["--max_train_epochs", "4", "--steps_per_epoch", "5", "--save_every_n_epochs", "1", "--save_state"]


def lines(output: str) -> list[str]:
    return [line.rstrip() for line in re.split(r"[\r\n]+", output)]


def test_it_prints_as_kohya_does(launch: Launch) -> None:
    status, output = launch(*SHORT, "--caching_seconds", "0.2").finish()
    assert status == 0
    printed = lines(output)
    for expected in (
        "  num batches per epoch / 1epochのバッチ数: 5",
        "  num epochs / epoch数: 4",
        "  total optimization steps / 学習ステップ数: 20",
        "epoch 3/4",
        "saving checkpoint: out/tiny-000003.safetensors",
        "saving checkpoint: out/tiny.safetensors",
    ):
        assert expected in printed
    bars = [line for line in printed if line.startswith("steps:")]
    assert re.fullmatch(r"steps:   0%\|.*\| 0/20 \[00:00<\?, \?it/s\]", bars[0])
    assert re.fullmatch(r"steps: 100%\|.*\| 20/20 \[\d\d:\d\d<00:00, .*(it/s|s/it), avr_loss=[\d.e-]+\]", bars[-1])
    assert [line for line in printed if re.fullmatch(r"100%\|.*\| 10/10 \[.*\]", line)]


def test_its_caching_is_followed_as_kohyas_is_and_counts_no_steps(launch: Launch) -> None:
    demo = launch("--max_train_epochs=1", "--steps_per_epoch=4", "--step_seconds=0", "--caching_seconds=0.1")
    demo.finish()
    follower, seen = Follower(1, 0.0), []
    for piece in re.split(rb"(?<=[\r\n])", demo.log.read_bytes()):
        follower.feed(piece, 1.0)
        progress = follower.progress()
        if (here := (progress.phase.value, progress.max_steps)) not in seen:
            seen.append(here)
    assert seen[:3] == [("starting", None), ("caching", None), ("caching", 4)]


def test_it_says_things_in_kohyas_order(launch: Launch) -> None:
    _, output = launch(*SHORT).finish()
    order = [
        "caching latents...",
        "num epochs",
        "total optimization steps",
        "steps:   0%",
        "epoch 1/4",
        " 5/20",
        "saving checkpoint: out/tiny-000001.safetensors",
        "saving state at epoch 1",
        "Random states saved in",
        "epoch 2/4",
        "saving last state.",
        "saving checkpoint: out/tiny.safetensors",
        "model saved.",
    ]
    places = [output.index(text) for text in order]
    assert places == sorted(places)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_ends_it_at_once_and_saves_nothing(launch: Launch, tmp_path: Path, number: signal.Signals) -> None:
    demo = launch(*SHORT, "--hang-at-step", "8")
    wait_until(lambda: " 7/20" in demo.text(), 30, "the hang")
    before = sorted((tmp_path / "out").rglob("*"))
    demo.process.send_signal(number)
    assert demo.process.wait(10) == -number
    assert sorted((tmp_path / "out").rglob("*")) == before


class TestFaults:
    def test_a_hang_blocks_inside_the_step_until_it_is_killed(self, launch: Launch) -> None:
        demo = launch(*SHORT, "--hang-at-step", "8", "--ignore-sigterm")
        wait_until(lambda: " 7/20" in demo.text(), 30, "the hang")
        assert _ignores(demo.process.pid, signal.SIGTERM)
        demo.process.send_signal(signal.SIGTERM)
        demo.kill()
        assert " 8/20" not in demo.text()

    @pytest.mark.parametrize(
        ("fault", "said"),
        [
            ("--crash-at-step", "RuntimeError: CUDA error: unknown error"),
            ("--oom-at-step", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate"),
        ],
    )
    def test_a_crash_strikes_once_and_not_after_a_resume(self, launch: Launch, fault: str, said: str) -> None:
        status, output = launch(*SHORT, fault, "8").finish()
        assert (status, said in output, " 7/20" in output, " 8/20" in output) == (1, True, True, False)
        resume = ["--resume", "out/tiny-000001-state", "--initial_epoch", "2"]
        assert launch(*SHORT, fault, "8", *resume).finish()[0] == 0

    @pytest.mark.parametrize(
        ("fault", "said"),
        [
            ("crash", "RuntimeError: CUDA error: unknown error"),
            ("disk-full", "OSError: [Errno 28] No space left on device"),
        ],
    )
    def test_a_file_says_when_it_strikes(self, launch: Launch, tmp_path: Path, fault: str, said: str) -> None:
        demo = launch(*SHORT, "--strike-when", "strike", "--step_seconds", "0.5")
        wait_until(lambda: " 2/20" in demo.text(), 30, "it trains while no file is there")
        (tmp_path / "strike").write_text(f"{fault}\n")
        status, output = demo.finish()
        assert (status, said in output, " 20/20" in output) == (1, True, False)

    def test_a_crash_after_a_resume_strikes_before_its_first_step(self, launch: Launch) -> None:
        assert launch(*SHORT, "--crash-after-resume").finish()[0] == 0
        resume = ["--resume", "out/tiny-000002-state", "--initial_epoch", "3"]
        status, output = launch(*SHORT, "--crash-after-resume", *resume).finish()
        assert (status, "epoch 3/4" in output, " 1/20" in output) == (1, True, False)
        assert "RuntimeError: CUDA error: unknown error" in output

    def test_a_child_in_another_session_outlives_it(self, launch: Launch) -> None:
        tag = {"TRAINWARDEN_RUN_ID": f"test-{os.getpid()}"}
        demo = launch(*SHORT, "--spawn-child", "--hang-at-step", "1", **tag)
        child = wait_until(lambda: _another(tag, demo.process.pid), 30, "the child")
        try:
            wait_until(lambda: (stat := system.read_stat(child)) and stat.session == child, 10, "its own session")
            demo.kill()
            assert system.read_stat(child) is not None
        finally:
            os.kill(child, signal.SIGKILL)


def _another(tag: dict[str, str], than: int) -> int | None:
    tagged = (pid for pid in system.all_pids() if tag.items() <= system.read_environment(pid).items())
    return next((pid for pid in tagged if pid != than), None)


def _ignores(pid: int, number: signal.Signals) -> bool:
    (mask,) = re.findall(r"^SigIgn:\s*([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_after_real_kills_it_ends_bit_for_bit_the_same(launch: Launch, tmp_path: Path) -> None:
    """One kill inside a step, one inside a save (the state before it is taken), one anywhere, then to the end."""
    out = tmp_path / "out"
    own = [*SHORT, "--max_train_epochs", "20"]
    assert launch(*own).finish()[0] == 0
    expected = (out / "tiny.safetensors").read_bytes()
    out.rename(tmp_path / "undisturbed")

    first = launch(*own, "--hang-at-step", "18")
    wait_until(lambda: " 17/100" in first.text(), 30, "the hang in epoch 4")
    first.kill()
    assert _chosen(tmp_path) == 3

    second = launch(*_resumed(tmp_path, own), "--save_seconds", "1")
    torn = out / "tiny-000004-state"
    wait_until((torn / "optimizer.bin").exists, 30, "the middle of a save")
    second.kill()
    assert not (torn / "random_states_0.pkl").exists()
    assert _chosen(tmp_path) == 3

    third = launch(*_resumed(tmp_path, own), "--step_seconds", "0.1")
    wait_until((out / "tiny-000005-state").exists, 30, "the fifth epoch's save")
    third.kill()
    assert _chosen(tmp_path) >= 4

    assert launch(*_resumed(tmp_path, own)).finish()[0] == 0
    assert (out / "tiny.safetensors").read_bytes() == expected


def _chosen(cwd: Path) -> int:
    checkpoint = newest_valid(Catalog(KOHYA, cwd / "out", "tiny", settle=0).list(0.0))
    assert checkpoint is not None
    assert checkpoint.epoch is not None
    return checkpoint.epoch


def _resumed(cwd: Path, arguments: list[str]) -> list[str]:
    checkpoint = newest_valid(Catalog(KOHYA, cwd / "out", "tiny", settle=0).list(0.0))
    assert checkpoint is not None
    launcher = ["python", "-m", "trainwarden.demo"]
    return KOHYA.resume_command([*launcher, *arguments], cwd, checkpoint)[len(launcher) :]


def test_a_missing_library_is_one_sentence(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "tqdm.py").write_text("raise ModuleNotFoundError(\"No module named 'tqdm'\", name='tqdm')\n")
    needs = "the demo training needs the library 'tqdm'; install it with: pip install 'trainwarden[demo]'\n"
    assert launch(*SHORT, PYTHONPATH=str(tmp_path)).finish() == (1, needs)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--steps_per_epoch", "0"], "argument --steps_per_epoch: '0' is not a whole number from 1"),
        (["--step_seconds", "-1"], "argument --step_seconds: '-1' is not a number of seconds"),
        (["--save_stat", "--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_a_wrong_option_is_one_sentence(launch: Launch, arguments: list[str], said: str) -> None:
    status, output = launch(*arguments).finish()
    assert status == 2
    assert output.endswith(f"error: {said}\n")
