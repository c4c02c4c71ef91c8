"""A night at the machine, told in chapters, and turned into what Prometheus would have scraped of it.

A run is a list of chapters (`starting`, `caching`, `training`, …); `starting` is a launch, so a second one begins the
next generation. The series carry the names and labels of `names.py`, and the guide's thresholds. Time is in minutes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.rules import surroundings
from trainwarden import guide, names
from trainwarden.model import ErrorKind, Phase
from trainwarden.names import Family

INSTANCE = "workstation"
GPU = ("0", "GPU-5a6f")
GPU_MEMORY_GIB = 16.3
EXPECTED = ("step_duration_seconds", "expected")
RAM_GIB = 30.0

Levels = Sequence[tuple[float, float | None]]
"""A signal that jumps: (minute, value from then on); None: the series is not there."""
Scrape = dict[str, float]
"""One scrape: a series as promtool writes it, and its value."""
Sample = float | Literal["stale"] | None
"""None: not there."""


@dataclass(frozen=True)
class Chapter:
    """A stretch of a run's life in one phase."""

    phase: Phase
    minutes: float
    launch: bool = False
    step_seconds: float | None = None
    """None: no step is taken."""
    gpu: float = 0.0
    vram_gib: float = 0.0
    saves_every: float | None = None
    saves_at_end: bool = False
    error: ErrorKind | None = None
    """What its output names when the chapter begins."""
    silent: bool = False
    """The supervisor writes nothing: the last of its readings stands."""


def starting(minutes: float) -> Chapter:
    """A launch: the next generation."""
    return Chapter(Phase.STARTING, minutes, launch=True)


def caching(minutes: float) -> Chapter:
    """Latents are cached: no step, the GPU works now and then."""
    return Chapter(Phase.CACHING, minutes, gpu=0.02, vram_gib=3)


def training(
    minutes: float, step: float = 2.5, gpu: float = 0.99, vram: float = 15.8, saves_every: float | None = 70
) -> Chapter:
    """A balanced run with the guide's own figures, unless said otherwise."""
    return Chapter(Phase.TRAINING, minutes, step_seconds=step, gpu=gpu, vram_gib=vram, saves_every=saves_every)


def saving(minutes: float) -> Chapter:
    """A checkpoint is written, and the follower sees it."""
    return Chapter(Phase.CHECKPOINTING, minutes, vram_gib=15.8, saves_at_end=True)


def blocked(minutes: float, gpu: float = 0.0) -> Chapter:
    """In training, and no step comes."""
    return Chapter(Phase.TRAINING, minutes, gpu=gpu, vram_gib=15.8)


def ended(phase: Phase, minutes: float = 10_000, out_of_memory: bool = False) -> Chapter:
    """The generation is over; the exporter goes on showing the run."""
    return Chapter(phase, minutes, error=ErrorKind.CUDA_OUT_OF_MEMORY if out_of_memory else None)


@dataclass(frozen=True)
class Run:
    """One run of the night."""

    chapters: Sequence[Chapter]
    launched: float = 5
    name: str = "lora"
    profile: str = "balanced"
    median: float | None = None
    """Of its steps, seconds; None: the step that its profile lets expect."""
    thresholds: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Night:
    """What there is to scrape, how often, and which scrapes are missed."""

    minutes: float
    runs: Sequence[Run] = ()
    scrape_seconds: int = 30
    evaluation_seconds: int | None = None
    """As often as scrapes, unless a night is long."""
    missed_every: float | None = None
    """A single scrape is missed every so many minutes: all series of the exporter turn stale."""
    exporter_down: tuple[float, float] | None = None
    unseen: Sequence[tuple[float, float]] = ()
    """When Prometheus itself is away (stopped, or asleep with its machine): no scrape, and no stale marker either."""
    driver_gone: tuple[float, float] | None = None
    """When the GPU driver answers nobody."""
    ram_used: Levels = ((0, 0.40),)
    swap_mib: Levels = ((0, 283),)
    others_vram_gib: Levels = ((0, 0.0),)
    """GPU memory of a browser or a game on the run's card."""
    celsius: Levels = ((0, 47),)
    desktop_spikes: bool = False
    """Every five minutes a single reading of the GPU is 60 % busy."""
    also: Mapping[str, Levels] = field(default_factory=dict)
    """Series that are added, or that replace one of the same labels."""


def key(family: Family, *labels: str, suffix: str = "", job: str = "trainwarden") -> str:
    """A series of the family as promtool writes it, with the labels that the scrape adds."""
    pairs = {**dict(zip(family.labels, labels, strict=True)), "instance": INSTANCE, "job": job}
    inside = ",".join(f'{name}="{value}"' for name, value in pairs.items())
    return f"{family.name}{suffix}{{{inside}}}"


def up(job: str) -> str:
    """Prometheus' own series about the scrape."""
    return f'up{{instance="{INSTANCE}",job="{job}"}}'


def level(levels: Levels, minute: float) -> float | None:
    """The value at that minute."""
    return next((value for since, value in reversed(levels) if since <= minute), None)


def scrapes(night: Night) -> Iterator[Scrape | None]:
    """Scrape by scrape what Prometheus gets; None: the exporter's scrape was missed."""
    lives = [Life(run) for run in night.runs]
    for seconds in _ticks(night):
        told = scrape(night, lives, seconds)
        yield None if _missed(night, seconds) else told


def scrape(night: Night, lives: Sequence["Life"], seconds: float) -> Scrape:
    """What the exporter shows at that second, whether or not anybody asks."""
    told: Scrape = dict(surroundings.delivery(INSTANCE))
    for life in lives:
        told.update(life.live_until(seconds))
    told.update(_machine(night, seconds / 60, max((life.gpu for life in lives), default=(0.0, 0.5))))
    for series, levels in night.also.items():
        told.pop(series, None)
        value = level(levels, seconds / 60)
        if value is not None:
            told[series] = value
    return told


def _ticks(night: Night) -> list[int]:
    return [tick * night.scrape_seconds for tick in range(int(night.minutes * 60 / night.scrape_seconds) + 1)]


def within(span: tuple[float, float] | None, minute: float) -> bool:
    """Whether the minute lies in the span."""
    return span is not None and span[0] <= minute < span[1]


def away(night: Night, seconds: float) -> bool:
    """Whether Prometheus is, at that second."""
    return any(within(span, seconds / 60) for span in night.unseen)


def _missed(night: Night, seconds: float) -> bool:
    if within(night.exporter_down, seconds / 60):
        return True
    return bool(night.missed_every and seconds and seconds % (night.missed_every * 60) == 0)


def _machine(night: Night, minute: float, gpu: tuple[float, float]) -> Iterator[tuple[str, float]]:
    busy, vram_gib = gpu
    if night.desktop_spikes and minute % 5 == 0:
        busy = max(busy, 0.6)
    ram = RAM_GIB * guide.GIB
    yield key(names.HOST_MEMORY_TOTAL), ram
    yield key(names.HOST_MEMORY_AVAILABLE), round(ram * (1 - (level(night.ram_used, minute) or 0)))
    yield key(names.HOST_SWAP_USED), (level(night.swap_mib, minute) or 0) * guide.MIB
    yield from surroundings.machine(key, seconds=minute * 60)
    yield key(names.COLLECTOR_SUCCESS, "gpu"), float(not within(night.driver_gone, minute))
    if not within(night.driver_gone, minute):
        used = vram_gib + (level(night.others_vram_gib, minute) or 0)
        yield from surroundings.gpu(key, GPU)
        yield key(names.GPU_UTILIZATION, *GPU), busy
        yield key(names.GPU_MEMORY_TOTAL, *GPU), GPU_MEMORY_GIB * guide.GIB
        yield key(names.GPU_MEMORY_USED, *GPU), used * guide.GIB
        yield key(names.GPU_MEMORY_FREE, *GPU), (GPU_MEMORY_GIB - used) * guide.GIB
        yield key(names.GPU_TEMPERATURE, *GPU, "gpu"), level(night.celsius, minute) or 0
    for threshold in guide.MACHINE:
        yield key(names.THRESHOLD, threshold.signal, threshold.level), threshold.value


class Life:
    """Walks a run through its chapters, second by second where it matters."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._chapters = list(_in_a_row(run.launched * 60, run.chapters))
        self.chapter: Chapter | None = None
        self._now = 0.0
        self._generation = 0
        self._launched_at = self._phase_at = self._chapter_at = 0.0
        self._steps = self._stepping = 0.0
        self._last_step_at: float | None = None
        self._saved_at: float | None = None
        self.errors: Counter[ErrorKind] = Counter()

    @property
    def gpu(self) -> tuple[float, float]:
        """How busy the run makes the GPU, and the memory in use (the desktop's half GiB where it does not run)."""
        return (self.chapter.gpu, self.chapter.vram_gib or 0.5) if self.chapter else (0.0, 0.5)

    @property
    def steps(self) -> int:
        """Steps of this generation."""
        return int(self._steps)

    @property
    def saved_at(self) -> float | None:
        """When the newest checkpoint was written, seconds."""
        return self._saved_at

    def instead(self, seconds: float, chapters: Iterable[Chapter]) -> None:
        """From that second on, which is now, these chapters follow, and not what was still to come."""
        self.live_until(seconds)
        (_, first), *self._chapters = _in_a_row(seconds, chapters)
        self._turn_page(first)

    def live_until(self, seconds: float) -> Scrape:
        """Go on to that second and say what the exporter shows then; nothing before the launch."""
        while self._now < seconds:
            following = self._chapters[0][0] if self._chapters else float("inf")
            until = min(following, seconds)
            self._train(until)
            self._now = until
            if until == following:
                self._turn_page(self._chapters.pop(0)[1])
        return dict(self._told()) if self._generation else {}

    def _turn_page(self, chapter: Chapter) -> None:
        if self.chapter and self.chapter.saves_at_end:
            self._saved_at = self._now
        if chapter.launch:
            self._generation += 1
            self._launched_at, self._last_step_at = self._now, None
            self._steps = self._stepping = 0.0
        if self.chapter is None or chapter.phase != self.chapter.phase:
            self._phase_at = self._now
        if chapter.error is not None:
            self.errors[chapter.error] += 1
        self.chapter, self._chapter_at = chapter, self._now

    def _train(self, until: float) -> None:
        chapter = self.chapter
        if chapter is None or chapter.step_seconds is None:
            return
        before, self._steps = self._steps, self._steps + (until - self._now) / chapter.step_seconds
        if int(self._steps) > int(before):
            at = self._now + (int(self._steps) - before) * chapter.step_seconds
            # The first step after a pause is timed with it, as a follower of the output does.
            self._stepping += at - (self._now if self._last_step_at is None else self._last_step_at)
            self._last_step_at = at
        if chapter.saves_every:
            every = chapter.saves_every * 60
            at = self._phase_at + (until - self._phase_at) // every * every
            self._saved_at = at if at > max(self._phase_at, self._saved_at or 0) else self._saved_at

    def _told(self) -> Iterator[tuple[str, float]]:
        run, chapter = self._run.name, self.chapter
        assert chapter is not None
        yield key(names.RUN_UP, run), float(chapter.phase.live)
        for phase in Phase:
            yield key(names.RUN_PHASE, run, phase.value), float(phase == chapter.phase)
        yield key(names.RUN_PHASE_START, run), self._phase_at
        yield key(names.RUN_START, run, str(self._generation)), self._launched_at
        if chapter.phase.live:
            yield key(names.RUN_BEAT, run), self._chapter_at if chapter.silent else self._now
        else:
            yield key(names.RUN_BEAT, run), self._phase_at
            yield key(names.RUN_EXIT_CODE, run), float(chapter.phase != Phase.FINISHED)
        yield from surroundings.run(key, run, gpu=GPU)
        yield key(names.RUN_GPU, run, *GPU), 1
        yield key(names.RUN_STEPS_DONE, run), int(self._steps)
        if self._last_step_at is not None:
            yield key(names.RUN_LAST_STEP, run), self._last_step_at
            yield (
                key(names.RUN_STEP_MEDIAN, run),
                self._run.median or guide.run_thresholds(self._run.profile)[EXPECTED].value,
            )
            yield key(names.RUN_STEP_DURATION, run, suffix="_sum"), self._stepping
            yield key(names.RUN_STEP_DURATION, run, suffix="_count"), int(self._steps)
        yield from self._told_of_files()

    def _told_of_files(self) -> Iterator[tuple[str, float]]:
        run = self._run.name
        for kind in ErrorKind:
            yield key(names.RUN_ERRORS, run, kind.value), self.errors[kind]
        yield key(names.CHECKPOINTS_VALID, run), float(self._saved_at is not None)
        if self._saved_at is not None:
            yield key(names.CHECKPOINT_LAST, run), self._saved_at
            yield key(names.CHECKPOINT_LAST_SIZE, run), surroundings.CHECKPOINT_BYTES
            yield key(names.CHECKPOINT_LAST_VALID, run), 1
        table = guide.run_thresholds(self._run.profile, 2.5)
        thresholds = {**{key: in_force.value for key, in_force in table.items()}, **self._run.thresholds}
        for (signal, name), value in thresholds.items():
            yield key(names.RUN_THRESHOLD, run, signal, name), value


def _in_a_row(at: float, chapters: Iterable[Chapter]) -> Iterator[tuple[float, Chapter]]:
    for chapter in chapters:
        yield at, chapter
        at += chapter.minutes * 60


def columns(night: Night) -> dict[str, list[Sample]]:
    """Series by series. As in Prometheus, one turns stale where a scrape misses it or no longer has it."""
    gaps = [away(night, seconds) for seconds in _ticks(night)]
    rows = list(zip(scrapes(night), gaps, strict=True))
    seen = {series for row, gap in rows if row and not gap for series in row}
    found = {series: list(_column(series, rows)) for series in seen}
    if up("trainwarden") not in night.also:
        found[up("trainwarden")] = [None if gap else float(row is not None) for row, gap in rows]
    return found


def _column(series: str, rows: Iterable[tuple[Scrape | None, bool]]) -> Iterator[Sample]:
    there = False
    for row, gap in rows:
        value = row.get(series) if row and not gap else None
        yield "stale" if there and value is None and not gap else value
        there = value is not None or (there and gap)
