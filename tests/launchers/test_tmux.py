"""The tmux engine against a real tmux."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.launchers.conftest import Orders
from tests.support.wait import wait_until
from trainwarden.errors import RefusedError
from trainwarden.launchers.engine import Order, Status
from trainwarden.launchers.tmux import TmuxEngine
from trainwarden.launching import TmuxOptions


@pytest.fixture
def engine(server: str) -> TmuxEngine:
    return TmuxEngine(TmuxOptions(server=server))


def tmux(server: str, *arguments: str) -> str:
    done = subprocess.run(["tmux", "-S", server, *arguments], capture_output=True, text=True, check=True, timeout=10)
    return done.stdout


def until_ended(engine: TmuxEngine, handle: str) -> Status:
    def ended() -> Status | None:
        status = engine.probe(handle)
        return None if status.alive else status

    return wait_until(ended, 10, "the launch has ended")


def test_a_launch_lives_in_a_pane_of_its_own_and_all_that_it_prints_is_kept(
    engine: TmuxEngine, server: str, orders: Orders
) -> None:
    order = orders("echo first; pwd; exec sleep 600")
    handle = engine.start(order)
    status = engine.probe(handle)
    assert status.alive
    wait_until(lambda: order.cwd in Path(order.output).read_text(), 10, "its output is there")
    assert Path(order.output).read_text().splitlines() == ["first", order.cwd]
    assert tmux(server, "list-sessions", "-F", "#{session_name}:#{window_name}").strip() == "luca:luca"
    assert engine.find(order) == handle
    assert engine.find(orders("", generation=2)) is None


@pytest.mark.parametrize(
    ("script", "code", "number"), [("exit 0", 0, None), ("exit 3", 3, None), ("kill -9 $$", None, signal.SIGKILL)]
)
def test_the_end_is_the_panes_status_or_signal(
    engine: TmuxEngine, orders: Orders, script: str, code: int | None, number: int | None
) -> None:
    status = until_ended(engine, engine.start(orders(script)))
    assert (status.exit_code, status.signal, status.by_hand) == (code, number, False)


def test_the_next_generation_takes_the_same_pane_once_it_is_dead(
    engine: TmuxEngine, server: str, orders: Orders
) -> None:
    first = engine.start(orders("sleep 600"))
    with pytest.raises(RefusedError, match="still runs something"):
        engine.start(orders("echo second", generation=2))
    os.kill(engine.probe(first).pid or 0, signal.SIGKILL)
    until_ended(engine, first)
    second = orders("echo second $TRAINWARDEN_GENERATION", generation=2)
    handle = engine.start(second)
    until_ended(engine, handle)
    assert Path(second.output).read_text() == "second 2\n"
    assert len(tmux(server, "list-panes", "-a").splitlines()) == 1
    assert handle.split()[1] == first.split()[1]


def test_a_session_of_the_users_own_gets_a_window_and_nothing_of_it_is_touched(
    engine: TmuxEngine, server: str, orders: Orders
) -> None:
    tmux(server, "new-session", "-d", "-s", "luca", "-n", "mine", "exec cat")
    engine.start(orders("exec sleep 600"))
    assert tmux(server, "list-windows", "-t", "luca", "-F", "#{window_name} #{window_active}").splitlines() == [
        "mine 1",
        "luca 0",
    ]


def test_who_closes_the_pane_ends_it_by_hand_and_a_server_that_dies_does_not(
    engine: TmuxEngine, server: str, orders: Orders
) -> None:
    handle = engine.start(orders("exec sleep 600"))
    tmux(server, "kill-session", "-t", "luca")
    assert until_ended(engine, handle).by_hand
    second = engine.start(orders("exec sleep 600", generation=2))
    os.kill(int(tmux(server, "display-message", "-p", "#{pid}")), signal.SIGKILL)
    assert until_ended(engine, second) == Status(alive=False)
    third = engine.start(orders("exec sleep 600", generation=3))
    assert engine.probe(third).alive, "a new server, and a new session"


def test_somebody_elses_program_in_the_pane_is_not_ours(engine: TmuxEngine, server: str, orders: Orders) -> None:
    handle = engine.start(orders("exit 1"))
    until_ended(engine, handle)
    tmux(server, "respawn-pane", "-t", handle.split()[1], "exec sleep 600")
    with pytest.raises(RefusedError, match="still runs something"):
        engine.start(orders("echo", generation=2))


def test_the_environment_and_the_words_arrive_whole_and_stand_in_no_process_list(
    engine: TmuxEngine, orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", 'it\'s 100% #{pane_id} "quoted" $HOME')
    order = orders("", argv=["printf", "%s|%s\n", "it's #{pane_id} %H", "$HOME"], environment={})
    seen = _commands_seen(lambda: until_ended(engine, engine.start(order)))
    assert Path(order.output).read_text() == "it's #{pane_id} %H|$HOME\n"
    second = orders("printenv SECRET_KEY", generation=2)
    until_ended(engine, engine.start(second))
    assert Path(second.output).read_text() == 'it\'s 100% #{pane_id} "quoted" $HOME\n'
    assert not any(b"100% #{pane_id}" in command for command in seen)


def _commands_seen(act: object) -> set[bytes]:
    """Every command line that stood in /proc meanwhile."""
    import threading

    seen: set[bytes] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    seen.add(path.read_bytes())

    watcher = threading.Thread(target=look)
    watcher.start()
    act()  # type: ignore[operator]
    time.sleep(0.05)
    over.set()
    watcher.join()
    return seen


def test_no_tmux_is_told_with_its_mend(
    engine: TmuxEngine, orders: Orders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RefusedError, match="there is no tmux on the PATH; install it"):
        engine.check(orders("exit 0"))


def test_an_order_is_json_and_comes_back_whole(orders: Orders) -> None:
    import msgspec

    order = orders("echo")
    assert msgspec.json.decode(msgspec.json.encode(order), type=Order) == order


def test_what_the_user_opens_in_the_session_later_is_none_of_the_run(
    engine: TmuxEngine, server: str, orders: Orders
) -> None:
    engine.start(orders("exec sleep 600"))
    tmux(server, "new-window", "-d", "-t", "luca:", f"printenv > {server}.env; exec cat")
    wait_until(lambda: "TMUX_PANE" in _text(f"{server}.env"), 10, "the user's window has come up")
    assert "TRAINWARDEN" not in _text(f"{server}.env")


def test_a_respawned_training_has_the_environment_of_whoever_launches_it(
    engine: TmuxEngine, server: str, orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmux(server, "new-session", "-d", "-s", "luca", "exec cat")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    for generation in (1, 2):
        order = orders("echo on $CUDA_VISIBLE_DEVICES", generation=generation)
        until_ended(engine, engine.start(order))
        assert _text(order.output) == "on 7\n"


def test_a_name_with_a_dot_and_a_terminal_without_utf8_are_no_hindrance(
    engine: TmuxEngine, orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.setenv(name, "C")
    order = orders("exec sleep 600", name="sd.xl")
    assert engine.probe(engine.start(order)).alive


def _text(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""
