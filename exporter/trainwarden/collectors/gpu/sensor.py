"""Reads all GPUs, whatever happens to one of them: no call that hangs holds the others up, or the scrape."""

import math
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from trainwarden import system
from trainwarden.collectors.base import Card
from trainwarden.collectors.gpu import nvml
from trainwarden.collectors.gpu.driver import Driver, DriverError, Session, card_error, driver_error
from trainwarden.collectors.gpu.nvml import NvmlError
from trainwarden.collectors.gpu.reading import Gpu, GpusReading
from trainwarden.deadline import Deadline, OverdueError, Round, Rounds

OPEN_SECONDS = 0.25
CARD_SECONDS = 0.25
WHOLE_SECONDS = 0.7
"""How long opening the driver, one card, and all together are waited for: a scrape is to answer within a second."""
SHARED_SECONDS = 0.2
"""For how long a reading is handed on to who comes after: a card that several Prometheus servers and people look at is
to rest. With the 0.8 s that a scrape takes at most (where a folder hangs, say) no value is older than a second."""
REOPEN_SECONDS = 300.0
"""How often the driver is opened anew while a card is lost: NVML may find one that came back only then."""

_DRIVER_GONE = (nvml.UNINITIALIZED, nvml.DRIVER_NOT_LOADED)


class Gpus:
    """The sensor. Remembers the cards that it has seen. One reading at a time."""

    def __init__(self, driver: Driver | None = None, expected: int | None = None) -> None:
        self.known: dict[str, Card] = {}
        """By UUID, every card that was ever up; replaced whole, so that other threads may look."""
        self._driver = driver or Driver()
        self._configured = expected
        self._most = 0
        """Cards that were ever seen at once."""
        self._opening: Deadline[None] = Deadline("the NVIDIA driver", OPEN_SECONDS)
        self._rounds: Rounds[int, Gpu] = Rounds(CARD_SECONDS, WHOLE_SECONDS)
        self._last: Look | None = None

    def read(self, seconds: float = math.inf) -> GpusReading:
        """Ask the driver for everything. Never raises, and returns within 0.7 s; ``seconds`` can only tighten that."""
        return self.begin(seconds, anew=True).result()

    def begin(self, seconds: float = math.inf, *, anew: bool = False) -> "Look":
        """Begin a look, or, unless it is to be ``anew``, hand on the last one where that was a moment ago."""
        if anew or self._last is None or not self._last.is_young or self._driver.is_due:
            self._last = self._look(seconds)
        return self._last

    def _look(self, seconds: float) -> "Look":
        began = time.monotonic()
        until = began + min(seconds, WHOLE_SECONDS)
        trouble = self._prepare(until)
        session = self._driver.session
        cards = {} if session is None else {card.index: card.read for card in session.cards}
        asked = self._rounds.begin(cards, until - time.monotonic())
        return Look(asked, began, lambda said: self._reading(said, session, trouble))

    def _reading(
        self, said: "dict[int, Gpu | Exception]", session: Session | None, trouble: DriverError | OverdueError | None
    ) -> GpusReading:
        answers = _Answers.of(said)
        if trouble is None:
            self._recover(answers)
        gpus = (*answers.found, *self._down(answers))
        self._most = max(self._most, len(said))
        return GpusReading(
            listed=len(said) if trouble is None else None,
            expected=self._most if self._configured is None else self._configured,
            driver_version="" if session is None else session.driver_version,
            gpus=gpus,
            xids=self._driver.xids.all(),
            faults=(*([] if trouble is None else [str(trouble)]), *answers.faults()),
            timeouts=isinstance(trouble, OverdueError) + len(answers.overdue),
        )

    def _prepare(self, until: float) -> DriverError | OverdueError | None:
        if not self._driver.is_due:
            return None
        try:
            self._opening.run(self._driver.prepare, until - time.monotonic())
        except (DriverError, OverdueError) as error:
            return error
        return None

    def _down(self, answers: "_Answers") -> Iterator[Gpu]:
        """The cards that were there and do not answer, and those that never did."""
        here = {gpu.uuid for gpu in answers.found}
        lost = {uuid: card for uuid, card in self.known.items() if uuid not in here}
        gone = [Gpu(index=card.index, uuid=uuid, up=False, name=card.model) for uuid, card in lost.items()]
        self.known = {**self.known, **{gpu.uuid: Card(gpu.index, gpu.name) for gpu in answers.found}}
        yield from gone
        silent = {*answers.failed, *answers.overdue} - {gpu.index for gpu in gone}
        yield from (Gpu(index=index, uuid="", up=False) for index in sorted(silent))

    def _recover(self, answers: "_Answers") -> None:
        """Open the driver anew, or count its cards again, where the answers say that it has changed."""
        session = self._driver.session
        if session is None:
            return
        codes = {error.code for error in answers.failed.values()}
        lost_for_long = nvml.GPU_IS_LOST in codes and time.monotonic() - session.opened_at > REOPEN_SECONDS
        if lost_for_long or not codes.isdisjoint(_DRIVER_GONE):
            self._driver.end()
        elif codes - {nvml.GPU_IS_LOST}:
            session.look_at = 0.0


class Look:
    """One reading of all cards: under way, or back."""

    def __init__(
        self,
        asked: Round[int, Gpu],
        began: float,
        conclude: "Callable[[dict[int, Gpu | Exception]], GpusReading]",
    ) -> None:
        self._asked = asked
        self._began = began
        self._began_since_boot = system.monotonic()
        self._conclude = conclude
        self._reading: GpusReading | None = None

    @property
    def is_young(self) -> bool:
        """Whether it may be handed on. One with a fault never is: what mends is to be seen at the next look."""
        whole = self._reading is not None and self._reading.gpus and not self._reading.faults
        return bool(whole) and system.monotonic() - self._began_since_boot < SHARED_SECONDS

    @property
    def took(self) -> float:
        """Seconds from its beginning to its end, or to now."""
        return self._asked.ended - self._began

    def settle(self, seconds: float) -> None:
        """Wait for the cards so long at most, whether they answer or not."""
        self._asked.settle(seconds)

    def result(self) -> GpusReading:
        """Wait for it; whoever asks again gets the same."""
        if self._reading is None:
            self._reading = self._conclude(self._asked.result())
        return self._reading


class _Answers(NamedTuple):
    """What a round of cards said."""

    found: list[Gpu]
    failed: dict[int, NvmlError]
    overdue: dict[int, OverdueError]

    @classmethod
    def of(cls, said: dict[int, "Gpu | Exception"]) -> "_Answers":
        """Sorted by kind. Raises what nobody foresaw."""
        unforeseen = next((a for a in said.values() if not isinstance(a, (Gpu, NvmlError, OverdueError))), None)
        if isinstance(unforeseen, Exception):
            raise unforeseen
        return cls(
            found=[answer for answer in said.values() if isinstance(answer, Gpu)],
            failed={index: answer for index, answer in said.items() if isinstance(answer, NvmlError)},
            overdue={index: answer for index, answer in said.items() if isinstance(answer, OverdueError)},
        )

    def faults(self) -> Iterator[str]:
        """A sentence each. A lost card is a reading; a driver that is gone is one fault, not one a card."""
        for index, error in self.failed.items():
            if error.code not in (nvml.GPU_IS_LOST, *_DRIVER_GONE):
                yield str(card_error(index, error))
        yield from (f"GPU {index} {overdue}" for index, overdue in self.overdue.items())
        yield from {str(driver_error(e)) for e in self.failed.values() if e.code in _DRIVER_GONE}
