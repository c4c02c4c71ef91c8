"""A training tells its steps itself: exact durations, phases and the loss, by a line or two in its loop.

    from trainwarden.heartbeat import Heartbeat

    heartbeat = Heartbeat(max_steps=10_000)
    for step in range(1, 10_001):
        loss = train_one_step()
        heartbeat.step(step, loss=loss)
        if step % 1_000 == 0:
            with heartbeat.phase("evaluating"):
                evaluate()

Standard library only. It cannot break the training: every error is swallowed, after having been said once on stderr.
It does not slow it either: a step is a few additions, and a thread of its own writes the file, at most once a second.
"""

import os
import sys
import time
import weakref
from contextlib import suppress
from numbers import Real
from types import TracebackType
from typing import Any

from trainwarden.heartbeat.count import Count
from trainwarden.heartbeat.place import Place
from trainwarden.heartbeat.writer import Writer

TENSOR_SECONDS = 10.0
"""How often the value of a tensor is asked for: on a GPU the answer waits for all the work that is queued there."""

_monotonic = time.monotonic


class Heartbeat:
    """Writes ``progress/heartbeat-<rank>.json`` of the run that this process belongs to.

    The run is ``$TRAINWARDEN_RUN``, as `trainwarden run` sets it; ``name`` is for a training that was started without
    trainwarden and is watched under that name (`trainwarden attach`). Where neither is so, nothing is written.
    ``rank`` is by default what the launcher's variables say. A framework's name is shown beside the run.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        max_steps: int | None = None,
        max_epochs: int | None = None,
        rank: int | None = None,
        framework: str = "",
    ) -> None:
        self._arguments = (name, max_steps, max_epochs, rank, framework)
        self._said: set[str] = set()
        self._tensor_due = 0.0
        self._count = Count(_monotonic(), max_steps, max_epochs)
        self._writer = Writer(self._count, Place(name, rank), framework, self._say)
        _alive.add(self)

    def start(self, step: int = 0, *, max_steps: int | None = None, max_epochs: int | None = None) -> None:
        """The training is about to take its first step, or goes on from ``step``: what a checkpoint holds, say."""
        try:
            self._count.start(step, _monotonic())
            self._count.plan(max_steps, max_epochs)
            self._wake()
        except Exception as error:
            self._say("start", error)

    def step(self, n: int | None = None, *, loss: Any = None, epoch: int | None = None) -> None:
        """One more step is done: the run's ``n``-th (by default one more than the last), in ``epoch``, from 1.

        The same ``n`` again is no step but a sign of life; a later one than the next counts as so many steps. ``loss``
        is a number, or a torch tensor of one, which is looked at every ten seconds.
        """
        try:
            now = _monotonic()
            self._count.take(n, now)
            if epoch is not None:
                self._count.epoch = epoch
            if loss is not None:
                if type(loss) is float:
                    self._count.note_loss(loss)
                else:
                    self._ask(loss, now)
            if self._writer.asleep:
                self._wake()
        except Exception as error:
            self._say("step", error)

    def loss(self, value: Any) -> None:
        """The loss, where it is known apart from a step."""
        try:
            self._ask(value, _monotonic())
        except Exception as error:
            self._say("loss", error)

    def phase(self, name: str) -> "PhaseContext":
        """``with heartbeat.phase("evaluating")``: the time in it is no step's. Also ``checkpointing``, ``caching``."""
        return PhaseContext(self, name)

    def enter(self, phase: str) -> None:
        """The training does something else from now on, until the next step or ``leave``. Again: a sign of life."""
        try:
            self._count.enter(phase, _monotonic())
            self._wake()
        except Exception as error:
            self._say("phase", error)

    def leave(self) -> None:
        """The training goes on where ``enter`` interrupted it."""
        self.enter(self._count.main_phase)

    def close(self) -> None:
        """Write what is not written yet, and wait for it, two seconds at most. A later step begins anew."""
        try:
            self._writer.close()
        except Exception as error:
            self._say("close", error)

    @property
    def current_phase(self) -> str:
        """The phase that the training is in."""
        return self._count.phase

    def __enter__(self) -> "Heartbeat":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy (by ``deepcopy``, or in another process) counts for itself, and writes nothing before it steps."""
        return _rebuild, self._arguments

    def _wake(self) -> None:
        """Begin to write. Of several in a process the last that began writes: it goes on from what the others told."""
        if self._writer.asleep:
            for other in [*_alive]:
                if other is not self and other._writer.place.same(self._writer.place):
                    other._writer.retire()
            self._writer.wake()

    def _ask(self, loss: Any, now: float) -> None:
        if isinstance(loss, Real):  # numpy's scalars, too
            self._count.note_loss(float(loss))
        elif now >= self._tensor_due:
            self._tensor_due = now + TENSOR_SECONDS
            # Only a plain tensor: to read one that is spread over several processes, all of them would have to ask.
            if type(loss) is not getattr(sys.modules.get("torch"), "Tensor", None):
                raise TypeError(f"the loss is a {type(loss).__name__}, and is not shown; hand over a number")
            self._count.note_loss(loss.item())

    def _say(self, about: str, error: Exception) -> None:
        """Say it on stderr, the first time."""
        with suppress(Exception):  # no stderr, or a closed one
            if about not in self._said:
                self._said.add(about)
                what = str(error) or type(error).__name__
                sys.stderr.write(f"trainwarden heartbeat: {what} (said once; the training goes on)\n")

    def _forget_thread(self) -> None:
        self._writer.forget_thread()


class PhaseContext:
    """A phase, from ``with`` to the end of its block; then what it interrupted goes on."""

    def __init__(self, heartbeat: Heartbeat, name: str) -> None:
        self._heartbeat = heartbeat
        self._name = name
        self._before = heartbeat.current_phase

    def __enter__(self) -> None:
        self._before = self._heartbeat.current_phase
        self._heartbeat.enter(self._name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._heartbeat.current_phase == self._name:
            self._heartbeat.enter(self._before)


def _rebuild(
    name: str | None, max_steps: int | None, max_epochs: int | None, rank: int | None, framework: str
) -> Heartbeat:
    return Heartbeat(name, max_steps=max_steps, max_epochs=max_epochs, rank=rank, framework=framework)


_alive: "weakref.WeakSet[Heartbeat]" = weakref.WeakSet()


def _after_fork() -> None:
    """In a child there is no thread that writes: a data loader's worker stays silent, and who steps begins one."""
    with suppress(Exception):
        for heartbeat in list(_alive):
            heartbeat._forget_thread()


os.register_at_fork(after_in_child=_after_fork)
