"""The heartbeat can neither break nor stop a training, whatever goes wrong with it."""

import pytest

from tests.heartbeat.conftest import run_script
from trainwarden.heartbeat import Heartbeat
from trainwarden.model import Progress
from trainwarden.runs.folder import RunFolder


def only(folder: RunFolder) -> Progress:
    (progress,) = folder.read_progress()
    return progress


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ('Heartbeat("no name").step(1)', "run name 'no name': a run's name is at most 64"),
        ("heartbeat.step('x')", "invalid literal for int"),
        ("heartbeat.step(1, loss='low')", "the loss is a str, and is not shown; hand over a number"),
        ("heartbeat.enter('eval')", "phase 'eval' is not one of"),
        ("with heartbeat.phase('eval'): pass", "phase 'eval' is not one of"),
        ("heartbeat.start('x')", "invalid literal for int"),
        ("heartbeat = Heartbeat(rank='first'); heartbeat.step(1); heartbeat.close()", "invalid literal for int"),
    ],
)
def test_a_mistake_is_said_once_and_the_training_goes_on(folder: RunFolder, mistake: str, said: str) -> None:
    done = run_script(
        f"""
        from trainwarden.heartbeat import Heartbeat
        heartbeat = Heartbeat()
        for _ in range(3):
            {mistake}
        heartbeat.close()
        print("trained")
        """,
        **({} if "no name" in mistake else {"TRAINWARDEN_RUN": "luca", "TRAINWARDEN_GENERATION": "1"}),
    )
    assert (done.returncode, done.stdout) == (0, "trained\n")
    lines = done.stderr.splitlines()
    assert all(line.startswith(f"trainwarden heartbeat: {said}") for line in lines), done.stderr
    assert len(lines) == (3 if "Heartbeat(" in mistake else 1), "once by each heartbeat"


def test_a_disk_that_is_full_is_said_once_and_the_training_goes_on(launched: RunFolder) -> None:
    done = run_script(
        """
        import resource, signal, time
        from trainwarden.heartbeat import Heartbeat
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        heartbeat = Heartbeat()
        for step in range(1, 4):
            heartbeat.step(step)
            heartbeat.close()
        print("trained")
        """
    )
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert done.stderr.count("\n") == 1 and "File too large" in done.stderr
    assert list((launched.path / "progress").iterdir()) == []


def test_a_folder_that_was_moved_away_is_passed_over_in_silence(
    heartbeat: Heartbeat, launched: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    launched.path.rename(launched.path.with_name("elsewhere"))
    heartbeat.step(1)
    heartbeat.close()
    assert not launched.path.exists()
    assert capsys.readouterr().err == ""


def test_a_process_that_can_begin_no_thread_trains_on(launched: RunFolder) -> None:
    done = run_script(
        """
        import threading
        from trainwarden.heartbeat import Heartbeat
        def refuse(_): raise RuntimeError("can't start new thread")
        threading.Thread.start = refuse
        heartbeat = Heartbeat()
        for step in range(1, 4):
            heartbeat.step(step)
        print("trained")
        """
    )
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert done.stderr.count("can't start new thread") == 1


def test_a_training_without_stderr_trains_on(launched: RunFolder) -> None:
    done = run_script(
        """
        sys.stderr = None
        from trainwarden.heartbeat import Heartbeat
        Heartbeat().step("x")
        print("trained")
        """
    )
    assert (done.returncode, done.stdout) == (0, "trained\n")


def test_an_interrupt_within_a_step_reaches_the_training(heartbeat: Heartbeat) -> None:
    class Interrupts:
        def __int__(self) -> int:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        heartbeat.step(Interrupts())  # type: ignore[arg-type]
