"""The second look: what two readings say, and the exporter asked over real HTTP with a recorded answer."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.restart.world import BOOT, GPU, World, exporter_reading
from tests.support.ports import free_port
from tests.support.trickle import trickling
from trainwarden.model import Member, Outcome, Phase, Progress, Resume, StepDown
from trainwarden.restart import evidence, exporter
from trainwarden.restart.choosing import Choice
from trainwarden.restart.evidence import Reading
from trainwarden.restart.exporter import Exporter
from trainwarden.restart.facts import Facts

RECORDED = (Path(__file__).parent.parent / "golden/exporter.prom").read_text()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def look_twice(world: World, seconds: float = 10.0) -> Facts:
    """Two readings; what the world does between them is ``world.between``."""
    first = world.desk().read(world.now(), gpus=True)
    world.pass_time(seconds)
    getattr(world, "between", lambda: None)()
    return gather(world, first, world.desk().read(world.now(), gpus=True))


def gather(world: World, first: Reading, second: Reading, **settings: object) -> Facts:
    known = {"generation": 1, "base_errors": {}, "idle_ratio": 0.05, "boot_id": BOOT, **settings}
    return evidence.gather(world.spec, (first, second), Choice(), **known)


def test_a_run_in_which_nothing_moves(world: World) -> None:
    facts = look_twice(world)
    assert (facts.new_steps, facts.new_output, facts.cpu_ratio, facts.io_rate) == (0, False, 0.0, 0.0)
    assert (facts.gpus, facts.gpu_ratio, facts.phase) == ([GPU], 0.0, Phase.TRAINING)
    assert (facts.step, facts.error, facts.supervisor_answers) == (500, "hung", True)
    assert facts.gpu_memory_used == {GPU: int(1.2 * 1024**3)}


def test_a_run_that_works(world: World) -> None:
    world.between = lambda: (world.step(3), world.set(io_bytes=1_000_000))
    facts = look_twice(world)
    assert (facts.new_steps, facts.new_output, facts.cpu_ratio, facts.io_rate) == (3, True, 0.3, 100_000.0)
    assert facts.gpu_ratio == 0.99


def test_a_busy_gpu_in_either_reading_is_seen(world: World) -> None:
    world.exporter = exporter_reading(0.8)
    world.between = lambda: setattr(world, "exporter", exporter_reading(0.0))
    assert look_twice(world).gpu_ratio == 0.8


def test_a_gpu_that_told_nothing_once_is_unknown(world: World) -> None:
    world.exporter = exporter_reading(None)
    world.between = lambda: setattr(world, "exporter", exporter_reading(0.0))
    assert look_twice(world).gpu_ratio is None


@pytest.mark.parametrize("missing", ["first", "second"])
def test_an_exporter_that_is_gone_once_is_unreachable(world: World, missing: str) -> None:
    answer = world.exporter
    world.exporter = None if missing == "first" else answer
    world.between = lambda: setattr(world, "exporter", None if missing == "second" else answer)
    facts = look_twice(world)
    assert (facts.exporter_answers, facts.gpus, facts.gpu_ratio) == (False, None, None)


def test_a_supervisor_that_is_silent_or_whose_beat_is_old_does_not_answer(world: World) -> None:
    world.answers = False
    assert not look_twice(world).supervisor_answers
    world.answers = True
    world.set(beat_monotonic=world.mono - 60)
    old = replace(world.desk().read(world.now(), gpus=True), answered=False)
    assert not gather(world, old, old).supervisor_answers


def test_a_state_that_is_not_there_is_a_silent_supervisor(world: World) -> None:
    nothing = Reading(at=world.now(), state=None, answered=False, progress=[], exporter=None)
    assert not gather(world, nothing, nothing).supervisor_answers


def test_a_run_that_its_engine_holds_still_is_one_that_somebody_is_at(world: World) -> None:
    world.set(suspended=True)
    assert look_twice(world).stopped_members == 1


@pytest.mark.parametrize("letter", ["T", "t"])
def test_a_stopped_member_is_seen(world: World, letter: str) -> None:
    world.set(members=[Member(1, 1, "S"), Member(2, 1, letter)])
    assert look_twice(world).stopped_members == 1


def test_a_heartbeat_of_any_rank_is_life(world: World) -> None:
    beat = Progress(writer="heartbeat", rank=3, generation=1, phase=Phase.TRAINING, phase_since=0.0, beat_at=world.wall)
    world.folder.write_progress(beat)
    assert not look_twice(world).new_heartbeat
    world.between = lambda: world.folder.write_progress(replace(beat, beat_at=world.wall))
    assert look_twice(world).new_heartbeat


def test_a_beat_is_life_though_the_clock_was_set_back(world: World) -> None:
    def set_back() -> None:
        world.progress = replace(world.progress, beat_at=world.progress.beat_at - 3600.0)
        world.folder.write_progress(replace(world.progress, writer="heartbeat"))

    world.folder.write_progress(replace(world.progress, writer="heartbeat"))
    world.between = set_back
    facts = look_twice(world)
    assert (facts.new_output, facts.new_heartbeat) == (True, True)


def test_the_progress_of_an_older_generation_says_nothing(world: World) -> None:
    world.set(generation=2, resumed_from=Resume("/c", 4, 400))
    reading = world.desk().read(world.now(), gpus=True)
    facts = gather(world, reading, reading, generation=2)
    assert (facts.new_steps, facts.step, facts.phase) == (None, 400, Phase.STARTING)


def test_only_errors_of_this_generation_count(world: World) -> None:
    world.set_progress(errors={"nan_loss": 1, "cuda_error": 2})
    reading = world.desk().read(world.now(), gpus=True)
    assert gather(world, reading, reading, base_errors={"nan_loss": 1}).new_errors == ["cuda_error"]


def test_two_deaths_of_the_same_error_look_the_same(world: World) -> None:
    said = set()
    for words in ("RuntimeError: CUDA error at 0x7f3a (pid 4242)", "RuntimeError: CUDA error at 0xbeef (pid 17)"):
        world.end(code=1, words=words)
        reading = world.desk().read(world.now(), gpus=True)
        said.add(gather(world, reading, reading).error)
    assert said == {"exit 1: RuntimeError: CUDA error at # (pid #)"}


def test_a_dead_run_is_not_looked_up_at_the_exporter(world: World) -> None:
    world.end(Outcome.CRASHED)
    assert world.desk().read(world.now(), gpus=True).exporter is None


def test_the_readings_are_three_medians_the_step_limit_and_the_setting_apart(world: World) -> None:
    assert evidence.apart(world.spec, [world.progress], 1, 3.0) == 7.5
    assert evidence.apart(world.spec, [world.progress], 1, 60.0) == 60.0
    assert evidence.apart(world.spec, [], 1, 3.0) == 5.0


# --- the exporter ------------------------------------------------------------------------------------------


class Answer:
    """What the small server says."""

    body = RECORDED
    status = 200


@pytest.fixture
def served() -> Iterator[tuple[str, type[Answer]]]:
    class Said(Answer):
        pass

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(Said.status)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(Said.body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/metrics", Said
        server.shutdown()


def test_the_recorded_exporter_tells_the_runs_gpus(served: tuple[str, type[Answer]]) -> None:
    reading = Exporter(served[0]).read("luca")
    assert reading is not None
    assert (reading.driver_answers, reading.run_gpus) == (True, (GPU,))
    assert reading.gpus[GPU].utilization_ratio == 0.99
    assert reading.gpus[GPU].memory_used_bytes == 1.6965120819e10
    assert sorted(reading.models) == ["NVIDIA A100-SXM4-80GB", "NVIDIA GeForce RTX 4080"]


def test_a_run_that_it_does_not_know_has_unknown_gpus(served: tuple[str, type[Answer]]) -> None:
    assert Exporter(served[0]).read("nobody").run_gpus is None


DRIVER_FAILS = RECORDED.replace('collector_success{collector="gpu"} 1.0', 'collector_success{collector="gpu"} 0.0')


def test_a_driver_that_did_not_answer_for_the_runs_gpu_is_told(served: tuple[str, type[Answer]]) -> None:
    served[1].body = DRIVER_FAILS.replace(
        f'trainwarden_gpu_up{{gpu="0",uuid="{GPU}"}} 1.0', f'trainwarden_gpu_up{{gpu="0",uuid="{GPU}"}} 0.0'
    )
    assert not Exporter(served[0]).read("luca").driver_answers


def test_a_card_that_hangs_says_nothing_about_a_run_on_another_one(served: tuple[str, type[Answer]]) -> None:
    served[1].body = DRIVER_FAILS
    assert Exporter(served[0]).read("luca").driver_answers
    assert not Exporter(served[0]).read("a run without a known GPU").driver_answers


def test_a_lost_gpu_is_not_among_those_that_answer(served: tuple[str, type[Answer]]) -> None:
    served[1].body = RECORDED.replace(
        f'trainwarden_gpu_up{{gpu="0",uuid="{GPU}"}} 1.0', f'trainwarden_gpu_up{{gpu="0",uuid="{GPU}"}} 0.0'
    )
    assert GPU not in Exporter(served[0]).read("luca").gpus


@pytest.mark.parametrize("body", ["", "<html>a login page</html>", "go_goroutines 12\n", "\0\0\0"])
def test_what_is_not_our_exporter_does_not_answer(served: tuple[str, type[Answer]], body: str) -> None:
    served[1].body = body
    assert Exporter(served[0]).read("luca") is None


def test_an_error_is_no_answer(served: tuple[str, type[Answer]]) -> None:
    served[1].status = 500
    assert Exporter(served[0]).read("luca") is None


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n"], ids=["body", "head"])
def test_one_who_trickles_is_no_answer_in_time(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "TIMEOUT", 0.3)
    began = time.monotonic()
    with trickling(head) as url:
        asked = Exporter(url)
        assert asked.read("luca") is None
        assert asked.read("luca") is None, "nor is it asked again meanwhile"
    assert time.monotonic() - began < 10, "a decision is not held up for ever"


def test_an_answer_that_came_late_says_nothing_about_now(
    served: tuple[str, type[Answer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Exporter(served[0])
    joined = asked._deadline
    early = joined.run(asked._ask)
    monkeypatch.setattr(joined, "run", lambda _: early)
    assert asked.read("luca") is None


def test_nobody_there_is_no_answer() -> None:
    assert Exporter(f"http://127.0.0.1:{free_port()}/metrics").read("luca") is None


@pytest.mark.parametrize(
    ("errors", "killed", "problem"),
    [
        ({"cuda_out_of_memory": 1}, False, "vram"),
        ({"host_out_of_memory": 1}, False, "memory"),
        ({}, True, "memory"),
        ({"killed": 1, "data_loader": 1}, False, ""),
    ],
)
def test_what_the_run_was_short_of(world: World, errors: dict[str, int], killed: bool, problem: str) -> None:
    steps = {name: StepDown(remedy=f"{name} A", changes=[]) for name in ("memory", "vram")}
    world.set_progress(errors=errors)
    world.end(code=None, signal=9)
    ended = world.state.ended
    assert ended is not None
    world.set(ended=replace(ended, for_memory=killed), step_down=steps)
    reading = world.desk().read(world.now(), gpus=True)
    facts = gather(world, reading, reading)
    assert (facts.shortage, facts.step_down) == (problem, steps.get(problem))
