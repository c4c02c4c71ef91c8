"""The Docker engine on a real dockerd."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.died import DiedError, dying
from tests.support.docker import Docker
from tests.support.wait import wait_until
from trainwarden.errors import RefusedError
from trainwarden.launchers.docker import DockerEngine
from trainwarden.launchers.engine import Order, Status
from trainwarden.launching import DockerOptions

pytestmark = pytest.mark.heavy
SECONDS = 30
LOOP = "while :; do sleep 0.1; done"


class World:
    def __init__(self, docker: Docker, folder: Path) -> None:
        self.folder = folder
        self.run_id = os.urandom(16).hex()
        self.socket = docker.socket
        self.engine = self.another_engine()

    def another_engine(self) -> DockerEngine:
        return DockerEngine(DockerOptions(container="luca", socket=self.socket))

    def order(self, generation: int, *argv: str) -> Order:
        return Order(
            name="luca",
            run_id=self.run_id,
            generation=generation,
            argv=list(argv),
            cwd=str(self.folder),
            environment={"TRAINWARDEN_RUN_ID": self.run_id, "TRAINWARDEN_GENERATION": str(generation)},
            output=str(self.folder / f"output.{generation}.log"),
        )

    def start(self, generation: int, script: str) -> str:
        return self.engine.start(self.order(generation, "sh", "-c", script))

    def ended(self, handle: str) -> Status:
        wait_until(lambda: not self.engine.probe(handle).alive, SECONDS, "the container has ended")
        return self.engine.probe(handle)


@pytest.fixture
def world(docker: Docker, tmp_path: Path) -> World:
    return World(docker, tmp_path)


def _in_order(inspected: dict[str, Any]) -> dict[str, Any]:
    """Docker lists mounts in another order each time."""
    return {**inspected, "Mounts": sorted(inspected["Mounts"], key=lambda mount: mount["Destination"])}


def test_the_running_container_is_the_first_launch_and_the_next_is_a_sibling(docker: Docker, world: World) -> None:
    """The sibling has all that the container had, its nameless volume with the checkpoints among it."""
    shared = world.folder / "shared"
    shared.mkdir()
    script = "echo saved >/data/checkpoint; echo $COLOUR; sleep 0.5; exit 3"
    of_compose = {"com.docker.compose.project": "p", "who": "me"}
    more = {"Volumes": {"/data": {}}, "Env": ["COLOUR=green"], "Labels": of_compose, "WorkingDir": "/data"}
    made = docker.run("luca", script, **more, HostConfig={"Binds": [f"{shared}:/shared"], "ShmSize": 128 << 20})

    order = world.order(1, "sh", "-c", script)
    assert world.engine.start(order) == made, "it is taken as it runs"
    assert world.engine.find(order) is None
    assert world.engine.start(order) == made, "and taken again by a caller whose record was lost"
    ended = world.ended(made)
    assert (ended.exit_code, ended.signal, ended.by_hand) == (3, None, False)
    before = _in_order(docker.inspect("luca"))

    told = "cat checkpoint; echo $COLOUR $TRAINWARDEN_GENERATION; echo x >/shared/here"
    second = world.start(2, f"{told}; sleep 0.5")
    assert world.engine.find(world.order(2)) == second
    assert world.ended(second).exit_code == 0
    output = world.folder / "output.2.log"
    world.engine.carry(second, output)
    assert output.read_text() == "saved\ngreen 2\n"
    assert (shared / "here").exists()

    after = docker.inspect("luca-generation-2")
    assert after["Image"] == before["Image"]
    assert after["HostConfig"]["ShmSize"] == 128 << 20
    assert after["Config"]["Labels"] == {
        "who": "me",
        "trainwarden.run_id": world.run_id,
        "trainwarden.generation": "2",
        "trainwarden.pattern": before["Id"],
    }
    assert _in_order(docker.inspect("luca")) == before, "and the user's container stays as it ended"


def test_a_container_that_never_ran_or_does_something_else_is_a_pattern(docker: Docker, world: World) -> None:
    docker.create("luca", "echo it trains; exit 4")
    assert world.engine.find(world.order(1, "sh", "-c", "echo it trains; exit 4")) is None
    first = world.start(1, "echo it trains; exit 4")
    assert docker.inspect(first)["Name"] == "/luca-generation-1"
    assert world.ended(first).exit_code == 4
    with pytest.raises(RefusedError, match="launch 1 of run 'luca' was container 'luca-generation-1' already"):
        world.start(1, "echo it trains; exit 4")


def test_a_first_launch_is_refused_where_its_container_has_ended(docker: Docker, world: World) -> None:
    docker.run("luca", "exit 0")
    wait_until(lambda: not docker.inspect("luca")["State"]["Running"], SECONDS, "it has ended")
    with pytest.raises(RefusedError, match="has run this command and ended; to begin anew, first: docker start luca"):
        world.start(1, "exit 0")


def test_nothing_is_launched_beside_a_living_container(docker: Docker, world: World) -> None:
    made = docker.run("luca", LOOP)
    with pytest.raises(RefusedError, match="container 'luca' of run 'luca' still runs; stop it first"):
        world.start(2, "true")
    world.engine.stop(made, kill=True)
    world.ended(made)
    second = world.start(2, LOOP)
    docker.well("POST", f"/containers/{second}/pause")
    held = world.engine.probe(second)
    assert (held.alive, held.suspended) == (True, True), "a pause is no end"
    with pytest.raises(RefusedError, match="container 'luca-generation-2' of run 'luca' still runs"):
        world.start(3, "true")
    world.engine.stop(second, kill=True)
    assert world.ended(second).signal == 9


def test_a_container_that_was_made_anew_under_the_name_is_no_pattern(docker: Docker, world: World) -> None:
    world.ended(docker.run("luca", "exit 1"))
    world.ended(world.start(2, "exit 1"))
    world.engine.check(world.order(3, "true"))
    docker.well("DELETE", f"/containers/{docker.inspect('luca')['Id']}")
    docker.create("luca", "echo another training")
    for ask in (world.engine.check, world.engine.start):
        with pytest.raises(RefusedError, match="container 'luca' was made anew since run 'luca' was launched"):
            ask(world.order(3, "true"))


def test_containers_of_an_earlier_run_keep_their_names(docker: Docker, world: World) -> None:
    docker.create("luca", "true")
    world.ended(world.start(1, "true"))
    later = World(docker, world.folder)
    made = later.start(1, "true")
    assert docker.inspect(made)["Name"] == f"/luca-generation-1-{later.run_id[:8]}"


def test_an_entrypoint_is_not_put_before_the_command_twice(docker: Docker, world: World) -> None:
    docker.create("luca", "", Entrypoint=["sh", "-c"], Cmd=["echo pattern"])
    for generation, argv in ((1, ["sh", "-c", "exit 5"]), (2, ["exit 5"])):
        made = world.engine.start(world.order(generation, *argv))
        assert world.ended(made).exit_code == 5


def test_a_command_that_is_not_there_is_refused_and_tried_again(docker: Docker, world: World) -> None:
    docker.create("luca", "true")
    for _ in range(2):
        with pytest.raises(RefusedError, match=r"executable file not found.*was created and not started"):
            world.engine.start(world.order(1, "nope"))
        assert world.engine.find(world.order(1, "nope")) is None
    assert len(docker.well("GET", "/containers/json?all=1")) == 2


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2], ids=["create", "start"])
def test_a_caller_killed_at_any_request_leaves_one_container_that_runs(
    docker: Docker, world: World, monkeypatch: pytest.MonkeyPatch, at: int, before: bool
) -> None:
    docker.create("luca", "true")
    order = world.order(1, "sh", "-c", f"echo once; {LOOP}")
    monkeypatch.setattr(world.engine._api, "post", dying(world.engine._api.post, lambda *_: True, at, before=before))
    with pytest.raises(DiedError):
        world.engine.start(order)
    again = world.another_engine()
    handle = again.find(order) or again.start(order)
    assert again.find(order) == handle
    names = [one["Names"] for one in docker.well("GET", "/containers/json?all=1")]
    assert sorted(names) == [["/luca"], ["/luca-generation-1"]]
    assert docker.inspect(handle)["State"]["Running"]


def test_a_container_that_took_too_much_memory_was_killed_and_not_by_hand(docker: Docker, world: World) -> None:
    greedy = "x=aaaaaaaa; while :; do x=$x$x; done"
    docker.run("luca", greedy, HostConfig={"Memory": 16 << 20, "MemorySwap": 16 << 20})
    ended = world.ended(docker.inspect("luca")["Id"])
    assert docker.inspect("luca")["State"]["OOMKilled"]
    assert (ended.exit_code, ended.signal, ended.by_hand) == (None, 9, False)


def test_a_container_keeps_its_networks(docker: Docker, world: World) -> None:
    docker.network("tw-one")
    docker.network("tw-two")
    alias = {"NetworkingConfig": {"EndpointsConfig": {"tw-one": {"Aliases": ["trainer"]}}}}
    made = docker.create("luca", LOOP, HostConfig={"NetworkMode": "tw-one"}, **alias)
    docker.well("POST", "/networks/tw-two/connect", {"Container": made})
    second = world.start(1, LOOP)
    networks = docker.inspect(second)["NetworkSettings"]["Networks"]
    assert set(networks) == {"tw-one", "tw-two"}
    assert "trainer" in networks["tw-one"]["Aliases"]
    assert docker.inspect(second)["Config"]["Hostname"] == second[:12]


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"RestartPolicy": {"Name": "always"}}, "restart policy always: .* docker update --restart=no luca"),
        ({"RestartPolicy": {"Name": "on-failure"}}, "restart policy on-failure"),
        ({"AutoRemove": True}, "started with --rm"),
        ({"LogConfig": {"Type": "none"}}, "log driver none"),
    ],
)
def test_what_docker_would_do_behind_our_back_is_refused(
    docker: Docker, world: World, host: dict[str, Any], words: str
) -> None:
    docker.create("luca", "true", HostConfig=host)
    for act in (world.engine.check, world.engine.start):
        with pytest.raises(RefusedError, match=words):
            act(world.order(1, "true"))


def test_an_end_by_hand_is_told_from_a_crash_of_the_same_exit_code(docker: Docker, world: World) -> None:
    saves = f"trap 'exit 0' TERM; {LOOP}"
    for name, script, act, told in (
        ("stopped", saves, "stop?t=10", (0, None, True)),
        ("killed", LOOP, "kill?signal=KILL", (None, 9, True)),
        ("asked", saves, "kill?signal=TERM", (0, None, True)),
        ("crashed", "kill -9 0; exit 137", None, (None, 9, False)),
    ):
        docker.run(name, f"echo began; {script}")
        if act:
            wait_until(lambda name=name: _has_begun(docker, name), SECONDS, f"{name} runs")  # type: ignore[misc]
            docker.well("POST", f"/containers/{name}/{act}")
        ended = world.ended(docker.inspect(name)["Id"])
        assert (ended.exit_code, ended.signal, ended.by_hand) == told, name
    docker.run("heard", "trap 'exit 1' USR1; while :; do sleep 0.1; done")
    docker.well("POST", "/containers/heard/kill?signal=USR1")
    heard = world.ended(docker.inspect("heard")["Id"])
    assert not heard.by_hand, "a signal that asks for something else is no stop"
    gone = docker.inspect("heard")["Id"]
    docker.well("DELETE", "/containers/heard")
    assert world.engine.probe(gone) == Status(alive=False, by_hand=True)


def _has_begun(docker: Docker, name: str) -> bool:
    return b"began" in docker.well("GET", f"/containers/{name}/logs?stdout=1")


@pytest.mark.parametrize("tty", [False, True], ids=["frames", "terminal"])
def test_output_is_carried_once_across_callers(docker: Docker, world: World, tty: bool) -> None:
    lines = "for i in $(seq 400); do echo line $i; [ $((i % 2)) = 0 ] || echo err $i >&2; done"
    script = f"{lines}; echo half; sleep 0.5; echo end"
    made = docker.run("luca", script, Tty=tty)
    output = world.folder / "output.1.log"
    while world.engine.probe(made).alive:
        world.another_engine().carry(made, output)  # a caller that dies after each
        world.engine.carry(made, output)
        world.engine = world.another_engine()
    world.engine.carry(made, output)
    world.engine.carry(made, output)
    said = output.read_bytes().replace(b"\r\n", b"\n").decode().splitlines()
    assert sorted(said) == sorted(
        [f"line {i}" for i in range(1, 401)] + [f"err {i}" for i in range(1, 401, 2)] + ["half", "end"]
    )


def test_a_follower_brings_what_is_new_while_the_training_runs(docker: Docker, world: World) -> None:
    made = docker.run("luca", f"echo one; while [ ! -e /shared/go ]; do sleep 0.1; done; echo two; {LOOP}",
                      HostConfig={"Binds": [f"{world.folder}:/shared"]})  # fmt: skip
    output = world.folder / "output.1.log"

    def carried() -> str:
        world.engine.carry(made, output)
        return output.read_text()

    wait_until(lambda: carried() == "one\n", SECONDS, "the first line")
    (world.folder / "go").touch()
    wait_until(lambda: carried() == "one\ntwo\n", SECONDS, "the second line")


def test_after_a_rotation_of_dockers_log_the_next_caller_goes_on_where_the_former_died(
    docker: Docker, world: World
) -> None:
    small = {"LogConfig": {"Type": "json-file", "Config": {"max-size": "4k", "max-file": "3"}}}
    loop = (
        "i=0; while [ ! -e /shared/go ]; do i=$((i + 1)); echo $i of many lines; sleep 0.005; done; echo 0; sleep 600"
    )
    made = docker.run("luca", loop, HostConfig={**small, "Binds": [f"{world.folder}:/shared"]})
    output = world.folder / "output.1.log"

    def carried() -> list[int]:
        world.engine.carry(made, output)
        return [int(line.split()[0]) for line in output.read_text().splitlines()]

    wait_until(lambda: len(carried()) > 500, SECONDS, "more than three rotations")
    former = carried()
    world.engine = world.another_engine()
    (world.folder / "go").touch()
    wait_until(lambda: carried()[-1] == 0, SECONDS, "the last line")
    later = carried()[len(former) : -1]
    assert sorted({former[-1], *later}) == list(range(former[-1], (later or former)[-1] + 1)), "nothing is left out"
    assert len({*former} & {*later}) < 50, "of the 140 lines that Docker still had, only the very last may come again"


def test_a_process_of_this_machine_is_visible_and_one_asked_to_end_may_save(docker: Docker, world: World) -> None:
    made = docker.run("luca", f"trap 'exit 7' TERM; echo began; {LOOP}")
    wait_until(lambda: _has_begun(docker, "luca"), SECONDS, "it runs")
    status = world.engine.probe(made)
    assert status.pid is not None
    assert world.engine.visible
    world.engine.stop(made, kill=False)
    assert world.ended(made).exit_code == 7
    world.engine.stop(made, kill=True)  # of what has ended, nothing happens
