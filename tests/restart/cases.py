"""Reads the folders of ``tests/cases/restart`` (see the README there): a night of one run, and what must come of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.rules.story import Chapter, Night, Run
from trainwarden.model import ErrorKind, Outcome, Phase

FOLDER = Path(__file__).resolve().parents[1] / "cases" / "restart"
LAUNCHED = 1.0
"""The minute of the first launch."""


@dataclass(frozen=True)
class Scene(Chapter):
    """A chapter, and what of it only the machine itself knows."""

    cpu: float = 0.0
    """CPU seconds a second of all members."""
    io: float = 0.0
    """Bytes a second that the members read and write."""
    state: str = "S"
    """The kernel's letter of every member."""
    outcome: Outcome | None = None
    code: int | None = None
    signal: int | None = None
    words: str = ""
    """The last line of output that says what went wrong."""
    awake: bool = True
    """Whether the machine is, and with it the receiver."""
    jumps: bool = False
    """The wall clock is set forward by so much; no time passes."""
    rebooted: bool = False
    looks_dead: bool = False
    """No observer could tell it from a hang: it is the patience of the rules that leaves it alone."""


_TRAINING: dict[str, Any] = {"phase": Phase.TRAINING, "vram_gib": 15.8}
_FAILED: dict[str, Any] = {"phase": Phase.FAILED}
KINDS: dict[str, dict[str, Any]] = {
    "starting": {"phase": Phase.STARTING, "cpu": 1.0, "io": 5e7},
    "caching": {"phase": Phase.CACHING, "gpu": 0.02, "vram_gib": 3, "cpu": 1.0, "io": 1e6},
    "training": {**_TRAINING, "step_seconds": 2.5, "gpu": 0.99, "saves_every": 70, "cpu": 1.0, "io": 1e5},
    "evaluating": {"phase": Phase.EVALUATING, "gpu": 0.9, "vram_gib": 15.8, "cpu": 1.0},
    "checkpointing": {"phase": Phase.CHECKPOINTING, "vram_gib": 15.8, "saves_at_end": True, "cpu": 0.5, "io": 5e7},
    "blocked": _TRAINING,
    "asleep": {**_TRAINING, "awake": False},
    "clock_jumps": {**_TRAINING, "jumps": True},
    "finishes": {"phase": Phase.FINISHED, "outcome": Outcome.FINISHED, "code": 0},
    "stopped": {"phase": Phase.STOPPED, "outcome": Outcome.STOPPED_BY_USER},
    "crashes": {**_FAILED, "outcome": Outcome.CRASHED, "code": 1},
    "rebooted": {**_FAILED, "silent": True, "rebooted": True},
}
"""The scenes that a case may hold, and what is so in each unless the case says otherwise."""

STOPPED = Scene(Phase.STOPPED, 100_000)
"""What follows a stop by the receiver."""
RESUMES = ({"starting": 1}, {"caching": 2}, {"training": 100_000})
"""What follows a launch by the receiver, unless the case says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What must come of it."""

    fires: list[str]
    """Every alert of severity critical, and every one that restarts, that fires at some minute, by name."""
    receiver: list[str]
    """What the ledger says, in order."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One folder."""

    name: str
    says: str
    minutes: float
    run: list[Scene]
    after: list[list[Scene]]
    expected: Expected
    profile: str = "balanced"
    night: dict[str, Any] = field(default_factory=dict)
    """Settings of ``story.Night``."""
    damaged: list[int] = field(default_factory=list)
    """Epochs whose states are cut short, of those that the first generation writes."""
    webhook_late: float = 1.0
    """Seconds from an evaluation to the webhook."""
    ignores_sigterm: int = 0
    """Looks at the run for which a stop does not end it."""

    def story(self, acts: Sequence["Act"]) -> Night:
        """What Prometheus sees of it, when the receiver has done this much."""
        scenes = self.timeline(acts)
        run = Run([scene for _, scene in scenes], launched=LAUNCHED, name="luca", profile=self.profile)
        gone = [(at / 60, at / 60 + scene.minutes) for at, scene in scenes if scene.jumps or not scene.awake]
        night = {**self.night, "unseen": [*self.night.get("unseen", ()), *gone]}
        return Night(self.minutes, [run], evaluation_seconds=60, **night)

    def timeline(self, acts: Sequence["Act"]) -> list[tuple[float, Scene]]:
        """Every scene and the second at which it begins."""
        scenes, launches = in_a_row(LAUNCHED * 60, self.run), 0
        for act in acts:
            before = [cut(at, scene, act.second) for at, scene in scenes if at < act.second]
            launches += act.launch
            scenes = before + in_a_row(act.second, self.following(launches) if act.launch else [STOPPED])
        return scenes

    def following(self, launches: int) -> list[Scene]:
        """What the generation does that the receiver's ``launches``-th launch began."""
        found = self.after[launches - 1] if launches <= len(self.after) else _scenes(RESUMES)
        first, *rest = found
        return [Scene(**{**vars(first), "launch": True}), *rest]


@dataclass(frozen=True)
class Act:
    """The receiver stopped the run, or launched it."""

    second: float
    launch: bool


def in_a_row(at: float, scenes: Iterable[Scene]) -> list[tuple[float, Scene]]:
    """Scenes that follow each other from that second on."""
    found = []
    for scene in scenes:
        found.append((at, scene))
        at += scene.minutes * 60
    return found


def cut(at: float, scene: Scene, until: float) -> tuple[float, Scene]:
    """The scene, over at that second at the latest."""
    minutes = min(scene.minutes, (until - at) / 60)
    return at, Scene(**{**vars(scene), "minutes": minutes})


def names(kind: str) -> list[str]:
    """The folders of one kind: ``innocent`` or ``guilty``."""
    return sorted(path.parent.name for path in (FOLDER / kind).glob("*/case.yml"))


def load(kind: str, name: str) -> Case:
    """Read a folder. What the format does not know is a ``TypeError`` that names it."""
    told = yaml.safe_load((FOLDER / kind / name / "case.yml").read_text())
    told["run"] = _scenes(told["run"])
    told["run"][0] = Scene(**{**vars(told["run"][0]), "launch": True})
    told["after"] = [_scenes(generation) for generation in told.get("after", ())]
    return Case(name=name, **{**told, "expected": Expected(**told["expected"])})


def _scenes(told: Iterable[dict[str, Any]]) -> list[Scene]:
    return [_scene(dict(one)) for one in told]


def _scene(told: dict[str, Any]) -> Scene:
    kind = next(iter(told))
    minutes = told.pop(kind)
    if "error" in told:
        told["error"] = ErrorKind(told["error"])
    return Scene(**{**KINDS[kind], "minutes": minutes, **told})
