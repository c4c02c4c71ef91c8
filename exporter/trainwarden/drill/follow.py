"""Following one fault: every link waited for in turn and timed, and the first that does not answer named."""

import time
from collections.abc import Callable, Iterator

from trainwarden.chain.asking import AskError
from trainwarden.drill import people
from trainwarden.drill.faults import Fault
from trainwarden.drill.links import Answer, Link, NotYetError, Scene, Seen, trains, watched
from trainwarden.errors import RunFolderError, TrainwardenError
from trainwarden.restart import events
from trainwarden.runs import identity
from trainwarden.stack import children
from trainwarden.stack.state import StackFolder

LOOK_SECONDS = 0.1
CALM_SECONDS = 4.0
"""How long a scratch run that must be left alone is watched afterwards: several of Alertmanager's scaled groups."""

_WHOSE = {
    **dict.fromkeys(("watched", "prometheus", "pending", "firing", "called", "resolved"), "prometheus"),
    **dict.fromkeys(("alertmanager", "reported", "routed"), "alertmanager"),
    **dict.fromkeys(("accepted", "decided", "refused", "stopped", "launched", "resumed"), "receiver"),
    "exporter": "exporter",
}
"""By link, the service whose log may say why it does not answer: after the drill the log is gone."""

Pause = Callable[[float], None]


class BrokenError(TrainwardenError):
    """A link did not answer, or something happened that must not."""

    def __init__(self, why: str, *, link: str, title: str) -> None:
        super().__init__(why)
        self.link = link
        self.title = title


class Follower:
    """Follows one fault through the stack in ``folder``, whose services it expects to live."""

    def __init__(self, scene: Scene, fault: Fault, folder: StackFolder, pause: Pause, *, slower: float = 1.0) -> None:
        """``slower``: how much longer everything may take than at the drill's usual pace."""
        self._scene = scene
        self._slower = slower
        self._fault = fault
        self._folder = folder
        self._pause = pause
        self._last = time.time()
        self._struck: float | None = None

    def run(self, ways: people.Ways, begun: Callable[[Link], None]) -> Iterator[Answer]:
        """Every link's answer, as it comes; ``begun`` hears which is waited for. Raises ``BrokenError``.

        ``ways``: by which people are told; empty: nobody is.
        """
        scene, fault, earnest = self._scene, self._fault, self._scene.earnest
        for link in (trains(), watched()):
            begun(link)
            yield self._answer(link)
        self._scene = scene._replace(told_before=people.taken(scene.alertmanager_log))
        self._struck = self._last = time.time()
        fault.begin(scene.run, earnest)
        for link in (*fault.chain(earnest, ways), self._outcome()):
            begun(link)
            yield self._answer(link)
        scene.run.calm()
        self._last = time.time()
        for link in fault.after(earnest):
            begun(link)
            yield self._answer(link)

    def _answer(self, link: Link) -> Answer:
        link.first(self._scene.run)
        seen = self._await(link)
        at = max(self._last, seen.at or time.time())
        answer = Answer(
            link=link.name,
            title=link.title,
            ok=True,
            seconds=at - self._last,
            since_fault=None if self._struck is None else at - self._struck,
            earnest=link.earnest,
            said=seen.said,
        )
        self._last = at
        return answer

    def _await(self, link: Link) -> Seen:
        patience = link.patience * self._slower
        deadline = time.monotonic() + patience
        while True:
            seen, trouble = self._look(link)
            if seen is not None:
                return seen
            self._check(link)
            if time.monotonic() > deadline:
                why = trouble or self._held() or self._log(link)
                raise BrokenError(f"not within {patience:.0f} s: {why}", link=link.name, title=link.title)
            self._pause(LOOK_SECONDS)

    def _look(self, link: Link) -> tuple[Seen | None, str]:
        """What the link says, or what is in its way."""
        try:
            self._scene.run.simulate()
            return link.look(self._scene), ""
        except (AskError, NotYetError, RunFolderError) as error:
            return None, str(error)

    def _check(self, link: Link) -> None:
        """Raise for what cannot become right by waiting: a service that has died, a run that was given up."""
        state = self._folder.read()
        for service in state.services if state else ():
            if identity.lives(service.process) is False:
                words = children.last_words(self._folder.log(service.name))
                raise BrokenError(f"it has died. {words}", link=service.name, title=service.title)
        run = self._scene.run
        if self._struck is None and run.state is not None and run.state.ended is not None:
            raise BrokenError(f"it ended at once: {run.state.last_words}", link=link.name, title=link.title)
        if run.generation > self._fault.launches:
            raise BrokenError("it was restarted, and must not be", link="restart", title="no further restart")
        unwanted = run.events(events.GaveUp) if self._fault.launches > 1 else run.events(events.Decided)
        if unwanted:
            said = "gave up" if self._fault.launches > 1 else "decided to restart it"
            raise BrokenError(f"the receiver {said}: {unwanted[0].reason.value}", link=link.name, title=link.title)

    def _held(self) -> str:
        held = self._scene.run.events(events.Held)
        return f"the receiver holds it: {held[-1].reason.value}" if held else ""

    def _log(self, link: Link) -> str:
        if link.name not in _WHOSE:
            return "nothing was seen of it"
        return f"nothing was seen of it. {children.last_words(self._folder.log(_WHOSE[link.name]))}"

    def _outcome(self) -> Link:
        """That only what must happen has happened, watched for a while."""
        until = float("inf")
        left_alone = self._fault.launches == 1

        def look(scene: Scene) -> Seen | None:
            nonlocal until
            until = min(until, time.monotonic() + CALM_SECONDS * self._slower)
            if time.monotonic() < until or (not left_alone and not scene.run.steps):
                return None
            return Seen(f"generation {scene.run.generation} trains on" if not left_alone else _untouched(scene))

        title = "nothing is restarted" if left_alone else "it is restarted once"
        return Link("outcome", title, look)


def _untouched(scene: Scene) -> str:
    run = scene.run
    if run.lives:
        return f"generation {run.generation} trains on" if run.steps else f"generation {run.generation} lives"
    return f"generation {run.generation} is left as it ended"
