"""The policy: one row a rule, and what holds whatever the facts are."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trainwarden.model import Budget, Checkpoint, ErrorKind, Outcome, Phase, StepDown, Verdict
from trainwarden.restart.events import Moment
from trainwarden.restart.facts import Facts
from trainwarden.restart.history import History
from trainwarden.restart.policy import RULES, Decision, GiveUp, Hold, Restart, decide
from trainwarden.restart.records import Case, Death, Launch
from trainwarden.restart.states import GiveUpReason, HoldReason, RestartReason, State

NOW = Moment(1_790_000_000.0, 500_000.0)
CHECKPOINT = Checkpoint(path="/c/luca-000004-state", epoch=4, modified_at=1000.0, size_bytes=1, verdict=Verdict.VALID)
CASE = Case(generation=2, alert="TrainwardenRunHung", state=State.LOOKING, since=0, opened_at=0, opened=0)
HISTORY = History(run_id="r", case=CASE)
HUNG = Facts(
    phase=Phase.TRAINING, new_steps=0, cpu_ratio=0.01, io_rate=10.0, gpus=["GPU-1"], gpu_ratio=0.0, step=500,
    error="hung", checkpoint=CHECKPOINT,
)  # fmt: skip
CRASHED = Facts(outcome=Outcome.CRASHED, step=500, error="exit 1: CUDA error", checkpoint=CHECKPOINT)


def hold(reason: HoldReason) -> Hold:
    return Hold(reason, passing=False)


def wait(reason: HoldReason) -> Hold:
    return Hold(reason, passing=True)


def launches(count: int, *, modified_at: float = 1000.0, ago: float = 10.0) -> History:
    checkpoint = replace(CHECKPOINT, modified_at=modified_at)
    made = [Launch(generation=n, at=NOW.mono - ago, checkpoint=checkpoint, errors={}) for n in range(count)]
    return replace(HISTORY, launches=tuple(made))


def test_hung_and_crashed_are_restarted() -> None:
    assert decide(HUNG, HISTORY, NOW) == Restart(RestartReason.HUNG)
    assert decide(CRASHED, HISTORY, NOW) == Restart(RestartReason.CRASHED)


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({"new_steps": 1}, hold(HoldReason.ALIVE)),
        ({"superseded": True}, hold(HoldReason.ALIVE)),
        ({"rebooted": True}, hold(HoldReason.REBOOTED)),
        ({"open": False}, hold(HoldReason.CLOSED)),
        ({"nodes": 2}, hold(HoldReason.SEVERAL_NODES)),
        ({"attached": True}, GiveUp(GiveUpReason.ATTACHED)),
        ({"attached": True, "new_steps": 1}, hold(HoldReason.ALIVE)),
        ({"attached": True, "phase": Phase.STARTING}, wait(HoldReason.PHASE)),
        ({"wedged": True}, GiveUp(GiveUpReason.WEDGED)),
        ({"supervisor_answers": False}, wait(HoldReason.SUPERVISOR_SILENT)),
        ({"stopped_members": 1}, wait(HoldReason.STOPPED_PROCESS)),
        ({"phase": Phase.STARTING}, wait(HoldReason.PHASE)),
        ({"phase": Phase.CACHING}, wait(HoldReason.PHASE)),
        ({"phase": Phase.EVALUATING}, wait(HoldReason.PHASE)),
        ({"phase": Phase.CHECKPOINTING, "saving_seconds": 299.0}, wait(HoldReason.SAVING)),
        ({"phase": Phase.CHECKPOINTING, "saving_seconds": 301.0}, Restart(RestartReason.HUNG)),
        ({"saving_seconds": 0.0}, wait(HoldReason.SAVING)),
        ({"exporter_answers": False, "gpu_ratio": None, "gpus": None}, wait(HoldReason.EXPORTER_UNREACHABLE)),
        ({"driver_answers": False, "gpu_ratio": None, "gpus": None}, wait(HoldReason.GPU_SILENT)),
        ({"gpu_ratio": None}, wait(HoldReason.GPU_SILENT)),
        ({"gpus": None, "gpu_ratio": None}, hold(HoldReason.NO_GPU)),
        ({"gpus": [], "gpu_ratio": None}, hold(HoldReason.NO_GPU)),
        ({"gpu_ratio": 0.05}, Restart(RestartReason.HUNG)),
        ({"gpu_ratio": 0.06}, wait(HoldReason.GPU_BUSY)),
        ({"gpu_ratio": 1.0}, wait(HoldReason.GPU_BUSY)),
        ({"cpu_ratio": 0.5}, wait(HoldReason.BUSY)),
        ({"io_rate": 1e6}, wait(HoldReason.BUSY)),
        ({"new_heartbeat": True}, wait(HoldReason.BUSY)),
        ({"new_steps": None, "cpu_ratio": None}, wait(HoldReason.TOO_FEW_SIGNS)),
        ({"new_output": True, "io_rate": None}, wait(HoldReason.TOO_FEW_SIGNS)),
        ({"new_output": True}, Restart(RestartReason.HUNG)),
        ({"checkpoint": None}, GiveUp(GiveUpReason.NO_VERIFIED_CHECKPOINT)),
        ({"resumable": False}, GiveUp(GiveUpReason.NOT_RESUMABLE)),
        ({"new_errors": ["nan_loss"]}, GiveUp(GiveUpReason.NAN_LOSS)),
    ],
    ids=str,
)
def test_a_run_that_seems_hung(changes: dict[str, Any], decision: Decision) -> None:
    assert decide(replace(HUNG, **changes), HISTORY, NOW) == decision


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({"outcome": Outcome.FINISHED}, hold(HoldReason.FINISHED)),
        ({"outcome": Outcome.STOPPED_BY_USER}, hold(HoldReason.STOPPED_BY_USER)),
        ({"signal": 1}, hold(HoldReason.STOPPED_BY_USER)),
        ({"signal": 2}, hold(HoldReason.STOPPED_BY_USER)),
        ({"signal": 15}, hold(HoldReason.STOPPED_BY_USER)),
        ({"signal": 9}, Restart(RestartReason.CRASHED)),
        ({"signal": 11}, Restart(RestartReason.CRASHED)),
        ({"outcome": Outcome.STOPPED_FOR_RESTART}, Restart(RestartReason.CRASHED)),
        ({"exporter_answers": False}, Restart(RestartReason.CRASHED)),
        ({"phase": Phase.CACHING}, Restart(RestartReason.CRASHED)),
        ({"supervisor_answers": False}, wait(HoldReason.SUPERVISOR_SILENT)),
        ({"rebooted": True}, hold(HoldReason.REBOOTED)),
        ({"nodes": 2}, hold(HoldReason.SEVERAL_NODES)),
        ({"open": False}, hold(HoldReason.CLOSED)),
        ({"outcome": Outcome.STOPPED_FOR_RESTART, "stop_by": "user"}, hold(HoldReason.STOPPED_BY_USER)),
        ({"paused": True}, wait(HoldReason.PAUSED)),
        ({"observe": True}, wait(HoldReason.OBSERVE)),
        ({"observe": True, "checkpoint": None}, wait(HoldReason.OBSERVE)),
        ({"observe": True, "outcome": Outcome.FINISHED}, hold(HoldReason.FINISHED)),
        ({"wedged": True}, GiveUp(GiveUpReason.WEDGED)),
        ({"new_errors": [ErrorKind.ASSERTION.value]}, GiveUp(GiveUpReason.ASSERTION)),
        ({"new_errors": [ErrorKind.DISK_FULL.value]}, GiveUp(GiveUpReason.DISK_FULL)),
        ({"new_errors": [ErrorKind.CUDA_ERROR.value]}, Restart(RestartReason.CRASHED)),
        ({"checkpoint": None}, GiveUp(GiveUpReason.NO_VERIFIED_CHECKPOINT)),
        ({"resumable": False}, GiveUp(GiveUpReason.NOT_RESUMABLE)),
    ],
    ids=str,
)
def test_a_run_that_is_dead(changes: dict[str, Any], decision: Decision) -> None:
    assert decide(replace(CRASHED, **changes), HISTORY, NOW) == decision


@pytest.mark.parametrize(
    ("history", "decision"),
    [
        (launches(2), Restart(RestartReason.CRASHED)),
        (launches(3), GiveUp(GiveUpReason.BUDGET_PER_CHECKPOINT)),
        (launches(3, modified_at=999.0), Restart(RestartReason.CRASHED)),
        (launches(5, modified_at=999.0), Restart(RestartReason.CRASHED)),
        (launches(6, modified_at=999.0), GiveUp(GiveUpReason.BUDGET_PER_WINDOW)),
        (launches(6, modified_at=999.0, ago=86_400.0), Restart(RestartReason.CRASHED)),
    ],
    ids=["two", "three", "three before a new checkpoint", "five", "six in a day", "six the day before"],
)
def test_the_budget(history: History, decision: Decision) -> None:
    assert decide(CRASHED, history, NOW) == decision


@pytest.mark.parametrize(
    ("death", "decision"),
    [
        (Death(generation=1, step=500, error=CRASHED.error), GiveUp(GiveUpReason.SAME_ERROR_TWICE)),
        (Death(generation=1, step=400, error=CRASHED.error), Restart(RestartReason.CRASHED)),
        (Death(generation=1, step=500, error="exit 1: another"), Restart(RestartReason.CRASHED)),
        (Death(generation=2, step=500, error=CRASHED.error), Restart(RestartReason.CRASHED)),
    ],
    ids=["same step and error", "another step", "another error", "the same death, decided anew"],
)
def test_the_same_error_twice(death: Death, decision: Decision) -> None:
    assert decide(CRASHED, replace(HISTORY, last_death=death), NOW) == decision


@pytest.mark.parametrize("facts", [HUNG, CRASHED])
def test_a_run_whose_next_checkpoint_would_not_fit_waits_for_room(facts: Facts) -> None:
    large = replace(CHECKPOINT, size_bytes=1000)
    assert decide(replace(facts, checkpoint=large, free_bytes=1499), HISTORY, NOW) == wait(HoldReason.NO_ROOM)
    assert isinstance(decide(replace(facts, checkpoint=large, free_bytes=1500), HISTORY, NOW), Restart)
    assert isinstance(decide(replace(facts, checkpoint=large, free_bytes=None), HISTORY, NOW), Restart)


STEP = StepDown(remedy="vram A", changes=["vae_batch_size: 2 → 1"])
OUT = replace(CRASHED, shortage="vram", new_errors=[ErrorKind.CUDA_OUT_OF_MEMORY.value], error="exit 1: OOM")


def died_of(shortage: str, history: History) -> History:
    return replace(history, last_death=Death(generation=1, step=500, error="exit 1: OOM", shortage=shortage))


@pytest.mark.parametrize(
    ("facts", "history", "decision"),
    [
        (OUT, HISTORY, Restart(RestartReason.CRASHED)),
        (replace(OUT, step=600), died_of("vram", launches(1)), GiveUp(GiveUpReason.OUT_OF_MEMORY)),
        (replace(OUT, step=600), died_of("memory", launches(1)), Restart(RestartReason.CRASHED)),
        (replace(OUT, step=600), died_of("vram", launches(1, modified_at=900.0)), Restart(RestartReason.CRASHED)),
        (replace(OUT, step_down=STEP), died_of("vram", launches(2)), Restart(RestartReason.CRASHED)),
        (replace(OUT, step_down=STEP), died_of("vram", launches(3)), GiveUp(GiveUpReason.BUDGET_PER_CHECKPOINT)),
    ],
    ids=[
        "the first time may be bad luck",
        "the second time in a row is not",
        "of something else",
        "it got further in between",
        "with another remedy it is another run, at the same step too",
        "within the budget",
    ],
)
def test_out_of_memory(facts: Facts, history: History, decision: Decision) -> None:
    assert decide(facts, history, NOW) == decision


def test_a_budget_of_none_never_restarts() -> None:
    facts = replace(CRASHED, budget=Budget(per_checkpoint=0))
    assert decide(facts, HISTORY, NOW) == GiveUp(GiveUpReason.BUDGET_PER_CHECKPOINT)


def test_every_reason_is_given_by_some_rule_or_stage() -> None:
    assert len(RULES) == len({rule.__name__ for rule in RULES})
    assert all(rule.__doc__ for rule in RULES)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


any_facts = st.builds(
    Facts,
    superseded=st.booleans(),
    rebooted=st.booleans(),
    open=st.booleans(),
    attached=st.booleans(),
    nodes=st.integers(1, 3),
    resumable=st.booleans(),
    outcome=optional(st.sampled_from(Outcome)),
    signal=optional(st.integers(1, 31)),
    wedged=st.booleans(),
    supervisor_answers=st.booleans(),
    stopped_members=st.integers(0, 2),
    phase=optional(st.sampled_from(Phase)),
    saving_seconds=optional(st.floats(0, 1000)),
    new_steps=optional(st.integers(0, 3)),
    new_output=st.booleans(),
    new_heartbeat=st.booleans(),
    cpu_ratio=optional(st.floats(0, 4)),
    io_rate=optional(st.floats(0, 1e6)),
    exporter_answers=st.booleans(),
    driver_answers=st.booleans(),
    gpus=optional(st.lists(st.just("GPU-1"), max_size=2)),
    gpu_ratio=optional(st.floats(0, 1)),
    checkpoint=optional(st.just(CHECKPOINT)),
    new_errors=st.lists(st.sampled_from([kind.value for kind in ErrorKind]), max_size=2),
)


@given(any_facts)
def test_whatever_the_facts_a_restart_is_never_from_zero_nor_of_a_run_that_lives(facts: Facts) -> None:
    decision = decide(facts, HISTORY, NOW)
    if not isinstance(decision, Restart):
        return
    assert facts.checkpoint is not None
    assert facts.resumable
    assert facts.open
    assert not facts.wedged
    assert facts.nodes == 1
    assert not facts.attached
    assert facts.supervisor_answers
    assert facts.outcome not in (Outcome.FINISHED, Outcome.STOPPED_BY_USER)
    if facts.outcome is None:
        assert decision.reason is RestartReason.HUNG
        assert not facts.new_steps
        assert not facts.stopped_members
        assert facts.gpus
        assert facts.gpu_ratio is not None
        assert facts.gpu_ratio <= facts.idle_ratio
        assert facts.phase in (Phase.TRAINING, Phase.CHECKPOINTING)


@given(any_facts)
def test_the_same_facts_are_always_decided_alike(facts: Facts) -> None:
    assert decide(facts, HISTORY, NOW) == decide(facts, HISTORY, NOW)
