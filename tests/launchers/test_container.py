"""How a container ended, and what its sibling is made of: without a daemon."""

import datetime
from typing import Any

import pytest

from trainwarden.launchers.container import Container, Event, State, ended_by_hand, read_event, sibling
from trainwarden.launchers.engine import Order

ID = "4ddcf5a20cd5a7832fc97468b0a831c4"
END = datetime.datetime(2026, 11, 24, 13, 51, 52, tzinfo=datetime.timezone.utc)
AT = END.timestamp()


def container(exit_code: int = 0, *, oom: bool = False, **config: Any) -> Container:
    return Container(
        id=ID,
        name="/luca",
        image="sha256:1",
        path="python",
        args=["train.py"],
        state=State(exit_code=exit_code, oom_killed=oom, started_at=END, finished_at=END),
        config={"Image": "tiny:1", "Cmd": ["python", "train.py"], **config},
        host_config={"NetworkMode": "default"},
        network_settings={"Networks": {"bridge": {}}},
    )


@pytest.mark.parametrize(
    ("code", "oom", "told"),
    [
        (0, False, (0, None)),
        (1, False, (1, None)),
        (137, False, (None, 9)),
        (0, True, (None, 9)),
        (255, False, (255, None)),
    ],
)
def test_an_exit_code_over_128_is_a_signal(code: int, oom: bool, told: tuple[int | None, int | None]) -> None:
    assert container(code, oom=oom).ended_as == told


@pytest.mark.parametrize(
    ("code", "events", "by_hand"),
    [
        (137, [], False),
        (0, [Event("kill", 15, AT - 5), Event("stop", 0, AT)], True),
        (137, [Event("kill", 9, AT - 1)], True),
        (143, [Event("kill", 15, AT - 3600)], True),
        (137, [Event("kill", 15, AT - 3600)], False),
        (1, [Event("kill", 15, AT - 3600)], False),
        (1, [Event("kill", 2, AT - 30)], True),
        (1, [Event("kill", 10, AT - 1)], False),
    ],
)
def test_an_end_by_hand_is_what_could_have_ended_it(code: int, events: list[Event], by_hand: bool) -> None:
    assert ended_by_hand(container(code), events) is by_hand


def test_an_event_is_read() -> None:
    said = b'{"Action":"kill","Actor":{"ID":"a","Attributes":{"signal":"15"}},"timeNano":1500000000}'
    assert read_event(said) == Event("kill", 15, 1.5)


def order(*argv: str) -> Order:
    more = {"TRAINWARDEN_RUN": "luca", "SEED": "2"}
    return Order(name="luca", run_id="r1", generation=2, argv=list(argv), cwd="/", environment=more, output="/o")


def test_a_sibling_is_the_pattern_with_another_command_and_our_marks() -> None:
    pattern = container(
        Env=["SEED=1", "PATH=/bin"], Hostname=ID[:12], Labels={"com.docker.compose.service": "t", "who": "me"}
    )
    body, others = sibling(pattern, order("python", "train.py", "--resume"))
    assert body["Image"] == "sha256:1"
    assert body["Cmd"] == ["python", "train.py", "--resume"]
    assert sorted(body["Env"]) == ["PATH=/bin", "PYTHONUNBUFFERED=1", "SEED=2", "TRAINWARDEN_RUN=luca"]
    marks = {"trainwarden.run_id": "r1", "trainwarden.generation": "2", "trainwarden.pattern": ID}
    assert body["Labels"] == {"who": "me", **marks}
    assert "Hostname" not in body
    assert body["HostConfig"]["VolumesFrom"] == [ID]
    assert body["HostConfig"]["RestartPolicy"] == {"Name": "no"}
    assert others == {}
    assert pattern.config["Env"] == ["SEED=1", "PATH=/bin"]


@pytest.mark.parametrize(
    ("entrypoint", "argv", "command"),
    [
        (["tini", "--"], ["python", "train.py"], ["python", "train.py"]),
        (["tini", "--"], ["tini", "--", "python", "train.py"], ["python", "train.py"]),
        (["python"], ["train.py", "--resume"], ["train.py", "--resume"]),
        (None, ["python", "train.py"], ["python", "train.py"]),
    ],
)
def test_the_entrypoint_is_dockers_to_put_before(entrypoint: Any, argv: list[str], command: list[str]) -> None:
    assert sibling(container(Entrypoint=entrypoint), order(*argv))[0]["Cmd"] == command
