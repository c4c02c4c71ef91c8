"""Whose stack is looked at."""

import os
import socket
from pathlib import Path

import pytest

from tests.support.users import an_ordinary_user
from trainwarden.doctor import owner, show
from trainwarden.doctor.finding import Status
from trainwarden.doctor.scene import Scene
from trainwarden.doctor.walk import Examined
from trainwarden.stack.state import StackFolder

ME, LUCA = 1000, 54321


@pytest.fixture
def scene(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A home without a stack, while something answers at the usual ports."""
    monkeypatch.setattr(owner.os, "geteuid", lambda: ME)
    return Scene(None)


def answered_by(uid: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "listener", lambda _: uid)


def test_another_users_stack_is_said_to_be_his(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    answered_by(LUCA, monkeypatch)
    found = owner.stack(scene)
    assert (found.status, found.found) == (
        Status.WARNING,
        f"none of `trainwarden up` in {StackFolder().path}; what answers at 127.0.0.1:9877 is uid {LUCA}'s, and so are "
        "its runs",
    )
    assert found.mend == f"To look at that one, call it as uid {LUCA}; for one of your own: trainwarden up --detach"


@pytest.mark.parametrize("uid", [None, ME, 0], ids=["nobody there", "ours", "Docker's proxy"])
def test_what_may_be_ones_own_is_no_warning_and_said_not_to_be_this_homes(
    uid: int | None, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered_by(uid, monkeypatch)
    found = owner.stack(scene)
    assert (found.status, found.found) == (
        Status.OK,
        f"none of `trainwarden up` in {StackFolder().path}; looked at what answers at 127.0.0.1:9877, 127.0.0.1:9878",
    )


def test_a_machine_that_is_named_is_not_looked_up_here(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answered_by(LUCA, monkeypatch)
    scene = Scene(None, {"exporter": "http://box:9877", "receiver": "http://box:9878"})
    assert owner.stack(scene).status is Status.OK


def test_who_listens_is_read_from_the_kernel() -> None:
    with an_ordinary_user():
        theirs = socket.create_server(("127.0.0.1", 0))
        uid = os.geteuid()
    with theirs, socket.create_server(("::1", 0), family=socket.AF_INET6) as ours:
        assert owner.listener(theirs.getsockname()[1]) == uid
        assert owner.listener(ours.getsockname()[1]) == os.geteuid()
        port = ours.getsockname()[1]
    assert owner.listener(port) is None


@pytest.mark.parametrize(
    ("status", "last"),
    [(Status.OK, "The chain holds."), (Status.WARNING, "The chain holds, and is another user's.")],
)
def test_the_last_line_says_so(
    status: Status, last: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(show, "walk", lambda _: [Examined("stack", "stack", status, "found", "mend")])
    assert show.doctor(None, {}, None, as_json=False)
    assert capsys.readouterr().out.rstrip().endswith(last)
