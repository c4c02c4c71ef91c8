"""The supervisor's line to an engine, cut at every step of a launch: launched once, whoever died in between."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from trainwarden.errors import RefusedError, TrainwardenError
from trainwarden.launchers.engine import Order, Status
from trainwarden.launching import Launching, TmuxOptions
from trainwarden.model import RunSpec
from trainwarden.runs import identity
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import kept
from trainwarden.supervise.kept import Exit
from trainwarden.supervise.steward import EngineLine
from trainwarden.supervise.watch import Now, RunWatch


class Killed(BaseException):
    """SIGKILL: nothing catches it."""


class Cluster:
    """An engine whose launches stand in a list, and that dies where it is told to."""

    name = "cluster"
    visible = False
    interval = 0.5

    def __init__(self) -> None:
        self.launched: list[int] = []
        self.status = Status(alive=True)
        self.silent = False
        self.answer_lost = False
        self.stops: list[bool] = []

    def check(self, order: Order) -> None:
        self._answer()

    def start(self, order: Order) -> str:
        self._answer()
        if self.answer_lost:
            self.launched.append(order.generation)
            raise TrainwardenError("no answer within 20 s")
        assert Path(order.output).with_name(f"order.{order.generation}.json").exists(), "ordered before it is launched"
        self.launched.append(order.generation)
        return str(order.generation)

    def find(self, order: Order) -> str | None:
        self._answer()
        return str(order.generation) if order.generation in self.launched else None

    def probe(self, handle: str) -> Status:
        self._answer()
        return self.status

    def cgroup_names(self, handle: str) -> tuple[str, ...]:
        return ()

    def stop(self, handle: str, *, kill: bool) -> None:
        self.stops.append(kill)

    def carry(self, handle: str, output: Path) -> None:
        pass

    def _answer(self) -> None:
        if self.silent:
            raise TrainwardenError("the cluster does not answer")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder("luca", tmp_path)
    folder.create()
    return folder


@pytest.fixture
def spec() -> RunSpec:
    launcher = Launching(tmux=TmuxOptions())
    return RunSpec(name="luca", run_id="r", command=["true"], cwd="/", recipe="none", launcher=launcher)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


Line = Callable[[], EngineLine]


@pytest.fixture
def line(folder: RunFolder, spec: RunSpec, cluster: Cluster) -> Line:
    """A new supervisor's line, as it finds the run folder."""
    return lambda: EngineLine(folder, spec, cluster)


def killed_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def die(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(name, die)


@pytest.mark.parametrize(
    ("step", "launches"),
    [("trainwarden.system.replace_file", 0), ("trainwarden.supervise.kept.write", 1)],
    ids=["before the order is written", "after the launch, before the record"],
)
def test_a_supervisor_that_is_killed_leaves_a_launch_that_is_found_and_not_repeated(
    line: Line, cluster: Cluster, folder: RunFolder, monkeypatch: pytest.MonkeyPatch, step: str, launches: int
) -> None:
    with monkeypatch.context() as killing:
        killed_at(killing, step)
        with pytest.raises(Killed):
            line().launch(1, ["true"])
    assert len(cluster.launched) == launches
    record = line().launch(1, ["true"])
    assert (cluster.launched, record.handle, record.generation) == ([1], "1", 1)
    assert kept.read(folder) == record


def test_killed_between_order_and_launch_it_is_launched_the_next_time(
    line: Line, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killing:
        killing.setattr(cluster, "start", lambda _: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            line().launch(2, ["true"])
    assert line().launch(2, ["true", "--resume"]).argv == ["true", "--resume"]
    assert cluster.launched == [2]


def test_an_engine_that_does_not_answer_refuses_and_the_reason_is_its_own(line: Line, cluster: Cluster) -> None:
    cluster.silent = True
    for ask in (lambda: line().rehearse(2, ["true"]), lambda: line().launch(2, ["true"])):
        with pytest.raises(RefusedError, match="the cluster does not answer"):
            ask()
    assert cluster.launched == []


@pytest.fixture
def watch(line: Line, folder: RunFolder, spec: RunSpec) -> RunWatch:
    return RunWatch(folder, spec, line().launch(1, ["true"]), Now(100.0, 100.0))


def look(line: EngineLine, watch: RunWatch, at: float) -> None:
    line.look(watch, Now(at, at))
    watch.look(Now(at, at))


def test_that_an_engine_does_not_answer_is_no_end(line: Line, cluster: Cluster, watch: RunWatch) -> None:
    ours = line()
    cluster.silent = True
    look(ours, watch, 102.0)
    assert watch.ended is None
    assert not watch.state(Now(102.0, 102.0)).members_visible


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        (Status(alive=False, exit_code=0), Exit(0, None, 102.0)),
        (Status(alive=False, signal=9, at=50.0), Exit(None, 9, 50.0)),
        (Status(alive=False, by_hand=True, exit_code=137), Exit(None, 1, 102.0)),
        (Status(alive=False), Exit(None, None, 102.0)),
    ],
)
def test_the_end_is_written_down_as_the_engine_tells_it(
    line: Line, cluster: Cluster, watch: RunWatch, folder: RunFolder, status: Status, ended: Exit
) -> None:
    cluster.status = status
    look(line(), watch, 102.0)
    found = kept.read(folder)
    assert found is not None and found.exit == ended


def test_what_the_wrapper_saw_outweighs_what_the_engine_says(
    line: Line, cluster: Cluster, watch: RunWatch, folder: RunFolder
) -> None:
    folder.exited_path(1).write_bytes(msgspec.json.encode(Exit(3, None, 99.0)))
    cluster.status = Status(alive=False, by_hand=True)
    look(line(), watch, 102.0)
    found = kept.read(folder)
    assert found is not None and found.exit == Exit(3, None, 99.0)


def test_members_that_cannot_be_seen_are_stopped_by_their_engine_asked_first(
    line: Line, cluster: Cluster, watch: RunWatch, spec: RunSpec
) -> None:
    ours = line()
    watch.stop(by="receiver", final=False, now=Now(101.0, 101.0))
    look(ours, watch, 102.0)
    look(ours, watch, 102.5 + spec.limits.term_grace)
    assert cluster.stops == [False, True]
    cluster.status = Status(alive=False, by_hand=True, signal=15)
    for later in (110.0, 111.0):
        look(ours, watch, later + spec.limits.term_grace)
    state = watch.state(Now(140.0, 140.0))
    assert state.ended is not None and state.ended.outcome.value == "stopped_for_restart"
    assert state.stopping_since is None


def test_a_launch_whose_answer_was_lost_is_found(line: Line, cluster: Cluster) -> None:
    cluster.answer_lost = True
    assert line().launch(2, ["true"]).handle == "2"
    assert cluster.launched == [2]


def test_an_order_that_was_refused_is_taken_by_nobody_later(
    line: Line, cluster: Cluster, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainwarden.supervise.steward.LATE_SECONDS", 0.0)
    cluster.silent = True
    with pytest.raises(RefusedError):
        line().launch(2, ["true"])
    assert not folder.order_path(2).exists()


def test_whoever_is_seen_to_live_has_not_ended_whatever_the_engine_says(
    line: Line, cluster: Cluster, watch: RunWatch, folder: RunFolder
) -> None:
    folder.taken_path(1).write_bytes(msgspec.json.encode(identity.myself()))
    cluster.status = Status(alive=False, by_hand=True)
    look(line(), watch, 102.0)
    found = kept.read(folder)
    assert found is not None and found.exit is None and watch.ended is None


def test_a_full_disk_is_a_refusal(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainwarden.system.replace_file", full)
    with pytest.raises(RefusedError, match="No space left"):
        line().launch(2, ["true"])


def test_it_is_asked_to_stop_once_and_killed_after_the_grace(
    line: Line, cluster: Cluster, watch: RunWatch, spec: RunSpec
) -> None:
    ours = line()
    watch.stop(by="receiver", final=False, now=Now(101.0, 101.0))
    for at in (102.0, 104.0, 106.0, 102.5 + spec.limits.term_grace):
        look(ours, watch, at)
    assert cluster.stops == [False, True]


def test_a_launch_that_could_not_be_written_down_is_known_and_written_once_there_is_room(
    line: Line, cluster: Cluster, watch: RunWatch, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = line()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as filled:
        filled.setattr("trainwarden.supervise.kept.write", full)
        record = ours.launch(2, ["true"])
        watch.launched(record, None, Now(103.0, 103.0))
        look(ours, watch, 104.0)
        assert watch.state(Now(104.0, 104.0)).generation == 2
    look(ours, watch, 106.0)
    assert kept.read(folder) == record
    assert cluster.launched == [1, 2]


def test_what_its_engine_holds_still_is_written_down_for_who_decides(
    line: Line, watch: RunWatch, cluster: Cluster
) -> None:
    ours = line()
    for now, suspended in ((102.0, True), (104.0, False)):
        cluster.status = Status(alive=True, suspended=suspended)
        look(ours, watch, now)
        assert watch.state(Now(now, now)).suspended is suspended
