"""Lives through a case: the shipped rules say when which alert fires, the receiver acts, and the run answers to it.

What the receiver does changes the night, so the rules are asked again after each launch; everything before it comes
out the same. Exporter, run folder and checkpoints are written from the one description that the rules were asked about.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.checkpoints.making import cut as cut_short
from tests.checkpoints.making import make_state
from tests.restart.cases import STOPPED, Act, Case, Scene
from tests.restart.world import BOOT, WALL, World, ledger
from tests.rules import asking, story
from tests.rules.asking import Firing
from trainwarden import guide, names
from trainwarden.config import Config
from trainwarden.model import Identity, Member, Outcome, Phase, Resume, RunState
from trainwarden.restart import events, exporter, gate
from trainwarden.restart.desk import Desk, Tools
from trainwarden.restart.exporter import ExporterReading
from trainwarden.restart.procedure import tick
from trainwarden.restart.states import State

GROUP_INTERVAL = 60
REPEAT_INTERVAL = 1800
"""Seconds; as Alertmanager is told in ``alertmanager.yml``."""
_TIMED = (State.LOOKING, State.HELD, State.WAITING_FOR_MEMORY)
"""States in which the receiver knows itself when it looks next."""
_EVERY = {State.WATCHING: float("inf"), State.GAVE_UP: float("inf"), State.PROBATION: 10.0, State.PAUSING: 5.0}
"""How long the receiver may be left alone, seconds; a second where it is not said."""


class Webhook(NamedTuple):
    """What Alertmanager posts, and when: seconds of the night."""

    at: float
    alert: str
    generation: int
    firing: bool


def enact(case: Case, folder: Path, promtool: Path) -> "Enacted":
    """The whole night, with all that the receiver did in it."""
    acts: list[Act] = []
    for number in range(20):
        night = case.story(acts)
        asked = asking.firing(promtool, folder, night)
        # promtool evaluates on where Prometheus is away and nobody does.
        fires = {second: found for second, found in asked.items() if not story.away(night, second)}
        world = Enacted(folder / str(number), case, acts, fires)
        world.live(webhooks(case, fires))
        if world.acts == acts:
            return world
        acts = world.acts
    raise AssertionError("the receiver finds no end")


def webhooks(case: Case, fires: dict[int, list[Firing]]) -> list[Webhook]:
    """What reaches the receiver, in order."""
    night = case.story(())
    every = night.evaluation_seconds or night.scrape_seconds
    sent: dict[Firing, float] = {}
    found = []
    for second in range(0, int(case.minutes * 60) + 1, every):
        if story.away(night, second):
            continue
        standing = {alert for alert in fires.get(second, ()) if alert.restarts}
        for alert in standing:
            if second - sent.get(alert, -REPEAT_INTERVAL) >= REPEAT_INTERVAL:
                sent[alert] = second
                found.append(Webhook(second + case.webhook_late, alert.alert, alert.generation, True))
        for alert in sent.keys() - standing:
            del sent[alert]
            found.append(Webhook(second + GROUP_INTERVAL, alert.alert, alert.generation, False))
    return sorted(found)


class Enacted(World):
    """A world that follows a case, and judges every launch itself."""

    def __init__(self, root: Path, case: Case, acts: list[Act], fires: dict[int, list[Firing]]) -> None:
        super().__init__(root, profile=case.profile, gpu_baseline_bytes={story.GPU[1]: guide.GIB // 2})
        self.case = case
        self.fires = fires
        self.known = acts
        self.acts: list[Act] = []
        self.night = case.story(acts)
        self.life = story.Life(self.night.runs[0])
        self._timeline = case.timeline(acts)
        self._seen = 0.0
        self._saves = 0
        self._steps_of: dict[str, int] = {}
        self._boot = BOOT
        self.ignores_sigterm_for = case.ignores_sigterm
        self.the_desk = self.desk()

    # --- time -----------------------------------------------------------------------------------------------
    @property
    def second(self) -> float:
        """Of the night."""
        return self.wall - WALL

    def live(self, posts: list[Webhook]) -> None:
        """The night, until its end or a launch that the rules were not asked about."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gate.Child, "ask", lambda _: self.memory())
            self._live(list(posts), self.case.minutes * 60)

    def _live(self, posts: list[Webhook], end: float) -> None:
        while self.second < end and not self._launched_anew():
            scene = self._scene()
            if scene is not None and (scene.jumps or not scene.awake):
                self._lose(self._next(end) - self.second, scene)
                continue
            self.catch_up()
            while posts and posts[0].at <= self.second:
                post = posts.pop(0)
                self._write()
                self.alert(self.the_desk, post.alert, generation=post.generation, firing=post.firing)
            tick(self.the_desk, self.now())
            following = min(self._next(end), posts[0].at if posts else end)
            self.pass_time(min(self._patience(), max(0.5, following - self.second)))

    def _patience(self) -> float:
        """How long nothing happens in the receiver, seconds."""
        state = self.the_desk.history.state
        wanted = self.the_desk.scratch.not_before - self.mono if state in _TIMED else _EVERY.get(state, 1.0)
        return max(0.5, wanted)

    def _scene(self) -> Scene | None:
        return next((scene for at, scene in reversed(self._timeline) if at <= self.second), None)

    def _next(self, end: float) -> float:
        """When the next scene begins."""
        return min((at for at, _ in self._timeline if at > self.second), default=end)

    def _lose(self, seconds: float, scene: Scene) -> None:
        """A sleep, which the clock since boot counts as well; or a jump of the wall's."""
        self.catch_up()
        self.wall += seconds
        self.mono += 0 if scene.jumps else seconds
        self._seen = self.second

    # --- the run, as it is at this second ---------------------------------------------------------------------
    def _save(self) -> None:
        """Nobody reads the files but after a probe or an alert: they are written then, or this would take minutes."""

    def _write(self) -> None:
        super()._save()

    def catch_up(self) -> None:
        """Bring run and checkpoints to where they are now."""
        passed, self._seen = self.second - self._seen, self.second
        self._train(passed)
        scene = self.life.chapter
        if not isinstance(scene, Scene):
            return
        self.answers = not scene.silent
        if scene.rebooted:
            self._reboot()
        elif self.state.ended is None and not scene.phase.live:
            self._die(scene)
        elif self.state.ended is None and not scene.silent:
            self._go_on(scene, passed)

    def _train(self, passed: float) -> None:
        """Minute by minute, so that no checkpoint is missed."""
        at = self.second - passed
        while at < self.second:
            at = min(self.second, at + 60)
            before = self.life.saved_at
            self.life.live_until(at)
            if self.life.saved_at not in (None, before):
                self._write_checkpoint(self.life.saved_at or 0.0)

    def _write_checkpoint(self, second: float) -> None:
        """As the trainer does, which writes over what it finds."""
        self._saves += 1
        epoch = 2 * self._saves
        folder = self.checkpoints / f"luca-{epoch:06d}-state"
        shutil.rmtree(folder, ignore_errors=True)
        make_state(folder, epoch, at=WALL + second)
        self._steps_of[folder.name] = self.step_now()
        if epoch in self.case.damaged and self.state.generation == 1:
            cut_short(folder / "optimizer.bin", 10)

    def step_now(self) -> int:
        """Steps of the whole run."""
        resumed = self.state.resumed_from
        return self.life.steps + ((resumed.step or 0) if resumed is not None else 0)

    def _go_on(self, scene: Scene, passed: float) -> None:
        talks = scene.step_seconds is not None or scene.phase is not Phase.TRAINING
        stepped = self.life.steps > 0
        self.set_progress(
            phase=scene.phase,
            step=self.step_now() if stepped else None,
            steps_done=self.life.steps,
            median_step_seconds=scene.step_seconds or self.progress.median_step_seconds,
            beat_at=self.wall if talks else self.progress.beat_at,
            errors=self._errors(),
        )
        self.set(
            beat_at=self.wall,
            beat_monotonic=self.mono,
            cpu_seconds=self.state.cpu_seconds + scene.cpu * passed,
            io_bytes=self.state.io_bytes + int(scene.io * passed),
            members=[Member(member.pid, member.start_time, scene.state) for member in self.state.members],
        )

    def _errors(self) -> dict[str, int]:
        return {kind.value: count for kind, count in self.life.errors.items()}

    def _die(self, scene: Scene) -> None:
        if scene.outcome is None:
            return  # stopped by the receiver, whose next look says so
        self.set_progress(errors=self._errors())
        self.end(scene.outcome, code=scene.code, signal=scene.signal, words=scene.words)

    def _reboot(self) -> None:
        """A new receiver finds what the boot before has left."""
        if self._boot == BOOT:
            self._boot, self.mono = "another boot", 60.0
            self.the_desk = self.desk()

    # --- what the receiver sees and does ------------------------------------------------------------------------
    def desk(self, config: Config | None = None) -> Desk:
        tools = Tools(
            config=config or Config(),
            launcher_for=lambda _: self,
            read_exporter=lambda _: self.page(),
            boot_id=self._boot,
            clock=self.now,
        )
        return Desk(self.folder, self.spec, tools)

    def page(self) -> ExporterReading | None:
        """What the exporter shows, by its own words."""
        if story.within(self.night.exporter_down, self.second / 60):
            return None
        told = story.scrape(self.night, [self.life], self.second)
        lines = [f"{series} {value}" for series, value in told.items()]
        return exporter.parse("\n".join([f'{names.BUILD_INFO.name}{{version="1"}} 1', *lines, ""]), "luca")

    def memory(self) -> dict[str, gate.Memory] | None:
        """What a throwaway child finds, which asks the driver itself."""
        told = story.scrape(self.night, [self.life], self.second)
        used, free = (
            told.get(story.key(family, *story.GPU)) for family in (names.GPU_MEMORY_USED, names.GPU_MEMORY_FREE)
        )
        return None if used is None else {story.GPU[1]: gate.Memory(used, free)}

    def probe(self) -> RunState:
        self.catch_up()
        self._write()
        before = self.state.ended
        state = super().probe()
        if before is None and state.ended is not None:
            self._act(launch=False)
        return state

    def start(self, checkpoint: str, generation: int, remedy: str = "") -> RunState:
        self._answer()
        assert self.state.ended is not None, "launched beside a living generation"
        assert self.state.ended.outcome not in (Outcome.FINISHED, Outcome.STOPPED_BY_USER), (
            "launched though it was over"
        )
        assert Path(checkpoint).is_relative_to(self.checkpoints), "a start from zero"
        state = super().start(checkpoint, generation, remedy)
        name = Path(checkpoint).name
        epoch = int(name.split("-")[1])
        self._saves = epoch // 2
        self.set(resumed_from=Resume(checkpoint, epoch, self._steps_of[name]), training=Identity(BOOT, 1, 1, 1))
        self._act(launch=True)
        return state

    def _act(self, *, launch: bool) -> None:
        self.acts.append(Act(self.second, launch))
        scenes = self.case.following(sum(act.launch for act in self.acts)) if launch else [STOPPED]
        self.life.instead(self.second, scenes)
        self._timeline = self.case.timeline(self.acts)

    def _launched_anew(self) -> bool:
        return any(act.launch for act in self.acts[len(self.known) :])

    # --- what came of it ------------------------------------------------------------------------------------
    def alerts(self) -> list[str]:
        """Which alerts fired that call somebody at once or restart, by name."""
        called = {
            one.alert for found in self.fires.values() for one in found if one.restarts or one.severity == "critical"
        }
        return sorted(called)

    def restarting(self) -> list[str]:
        """Those of them that go to the receiver."""
        return sorted({one.alert for found in self.fires.values() for one in found if one.restarts})

    def said(self) -> list[str]:
        """What the ledger tells, without the steps that every restart has; the same twice in a row is told once."""
        told = [word for event in ledger(self.the_desk) if (word := _word(event))]
        return [word for position, word in enumerate(told) if position == 0 or word != told[position - 1]]


def _word(event: events.AnyEvent) -> str:
    if isinstance(event, events.Launched):
        return f"launch {Path(event.checkpoint).name}"
    kinds: dict[type[events.Event], str] = {
        events.Held: "hold", events.Decided: "restart", events.GaveUp: "give up", events.Called: "call",
    }  # fmt: skip
    if isinstance(event, events.Recovered):
        return "recovered"
    return f"{kinds[type(event)]} {event.reason.value}" if type(event) in kinds else ""
