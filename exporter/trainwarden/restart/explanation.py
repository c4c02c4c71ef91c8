"""What the receiver would decide about a run, and what it did decide: said, and nothing touched.

``now`` takes the receiver's own two readings and asks the same policy; its probes keep no run open, and nothing is
entered. ``recorded`` asks the policy again about every decision in the ledger, by the facts that were recorded with it.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec import Struct

from trainwarden.errors import RunFolderError
from trainwarden.restart import looking
from trainwarden.restart.desk import Desk
from trainwarden.restart.events import AnyEvent, Decided, GaveUp, Held, Moment
from trainwarden.restart.facts import Facts
from trainwarden.restart.history import History
from trainwarden.restart.policy import Decision, decide


class Explained(Struct, frozen=True, kw_only=True):
    """One decision."""

    at: float
    """Unix seconds."""
    facts: Facts
    decision: str
    """``restart``, ``hold`` or ``giveup``."""
    reason: str
    entered: str = ""
    """What the ledger says was decided, where that differs: the policy has changed since."""


def now(desk: Desk, wait: Callable[[float], None]) -> Explained:
    """Look at the run and decide. ``wait`` is told how many seconds lie between the two readings.

    Raises ``RunFolderError`` where the run was never seen to live, ``FolderError`` for a silent checkpoint folder.
    """
    clock = desk.tools.clock
    choice = desk.chooser.look(clock().wall)
    first = desk.read(clock(), gpus=True)
    if first.state is None:
        raise RunFolderError(
            f"run '{desk.spec.name}': nothing is known of it yet: {desk.folder.state_path} is not there"
        )
    generation, second = first.state.generation, first
    if first.state.ended is None:
        wait(looking.apart(desk, first, generation))
        second = desk.read(clock(), gpus=True)
    facts = looking.gather(desk, choice, (first, second), generation)
    return _explained(second.at, facts, decide(facts, desk.history, second.at))


def recorded(lines: Iterable[AnyEvent], run_id: str) -> Iterator[Explained]:
    """Every decision of this use of the name that was entered with its facts, decided again."""
    history = History(run_id=run_id)
    for event in lines:
        facts = event.facts if isinstance(event, Decided | Held | GaveUp) else None
        if facts is not None and event.run_id == run_id:
            moment = Moment(event.at, event.mono)
            yield _explained(moment, facts, decide(facts, history, moment), entered=_entered(event))
        history = history.after(event)


def _explained(at: Moment, facts: Facts, decision: Decision, entered: str = "") -> Explained:
    said = Explained(at=at.wall, facts=facts, decision=type(decision).__name__.lower(), reason=decision.reason.value)
    differs = entered and entered != f"{said.decision}: {said.reason}"
    return msgspec.structs.replace(said, entered=entered) if differs else said


def _entered(event: AnyEvent) -> str:
    kinds = {Decided: "restart", Held: "hold", GaveUp: "giveup"}
    reason = event.reason.value if isinstance(event, Decided | Held | GaveUp) else ""
    return f"{kinds[type(event)]}: {reason}"


def notable(facts: Facts) -> dict[str, object]:
    """The facts that differ from those of a run of which nothing is known against it.

    ``error`` is what a death would be called; of a run that lives it says nothing.
    """
    facts = facts if facts.outcome else msgspec.structs.replace(facts, error="")
    default = msgspec.to_builtins(Facts())
    return {name: value for name, value in msgspec.to_builtins(facts).items() if value != default[name]}
