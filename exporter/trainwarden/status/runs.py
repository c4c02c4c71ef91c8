"""A run as it stands: its readings beside its own thresholds, its newest checkpoints, and what the receiver did for it.

Pure: made of what the collectors found, of the exporter's series, and of the time.
"""

from collections.abc import Iterable, Iterator

from trainwarden import names
from trainwarden.checkpoints.catalog import newest_valid
from trainwarden.collectors import checkpoints, runs
from trainwarden.model import Checkpoint, Phase
from trainwarden.runs import visible
from trainwarden.status.beside import Beside
from trainwarden.status.machine import lives, trains
from trainwarden.status.readings import Readings
from trainwarden.status.report import Level, Run, Saved, Signal, worst
from trainwarden.status.scales import judge

SHOWN_CHECKPOINTS = 3
_HUNG = "its GPUs are idle and nothing was saved for long: hung (docs/runbooks/TrainwardenRunHung.md)"


class Scene:
    """What is known of one run at one moment (Unix and boot seconds)."""

    def __init__(
        self,
        readings: Readings,
        run: runs.Run,
        saved: checkpoints.RunCheckpoints | None,
        beside: Beside,
        *,
        step_seconds: float | None,
        observed: bool,
        now: float,
        since_boot: float,
    ) -> None:
        self._readings = readings
        self._run = run
        self._saved: tuple[Checkpoint, ...] = saved.checkpoints if saved else ()
        self._samples = saved.samples if saved else None
        self._beside = beside
        self._step_seconds = step_seconds
        self._observed = observed
        self._now = now
        self._since_boot = since_boot
        self._trains = trains(readings, run.name)
        self._lives = lives(readings, run.name)

    def tell(self) -> Run:
        """All of it."""
        run, state, progress, history = self._run, self._run.state, self._run.progress, self._beside.history
        signals = list(self._signals())
        needs_human = history.needs_human if history else None
        case = history.case if history else None
        return Run(
            level=worst([*(signal.level for signal in signals), *self._troubles(needs_human is not None)]),
            live=run.phase is None or run.phase.live,
            state=history.state.value if history else None,
            held_for=case.hold.value if case and case.hold else None,
            needs_human=needs_human.value if needs_human else None,
            paused=self._beside.paused,
            observed=self._observed,
            attached=run.spec.attached,
            phase=run.phase.value if run.phase else None,
            phase_since=run.phase_since,
            generation=run.generation,
            not_resumable=state.resumable_reason if state and self._lives and not state.resumable else "",
            gpus_unknown=visible.DOUBT if self._lives and self._gpus_in_doubt() else "",
            epoch=progress.epoch if progress else None,
            max_epochs=progress.max_epochs if progress else None,
            step=progress.step if progress else None,
            max_steps=progress.max_steps if progress else None,
            step_seconds=self._step_seconds,
            remaining_seconds=self._remaining(),
            loss=progress.loss if progress else None,
            memory_bytes=state.rss_bytes if state and self._lives and state.members_visible else None,
            processes=_whole(self._readings.value(names.RUN_MEMBERS, run.name)) if self._lives else None,
            exit_code=_whole(self._readings.value(names.RUN_EXIT_CODE, run.name)),
            ended_because=state.ended.reason if state and state.ended else "",
            errors={kind: count for kind, count in run.errors.items() if count},
            checkpoints=[_saved(checkpoint) for checkpoint in newest(self._saved)],
            sample_images=self._samples,
            restarts=sum(history.totals.restarts.values()) if history else None,
            restarts_left=self._restarts_left(),
            last_line=self._beside.last_line,
            signals=signals,
        )

    def _troubles(self, needs_human: bool) -> Iterator[Level]:
        """What no threshold says."""
        if needs_human or self._run.phase is Phase.FAILED:
            yield Level.DANGER
        if self._readings.value(names.CHECKPOINT_LAST_VALID, self._run.name) == 0:
            none_left = self._readings.value(names.CHECKPOINTS_VALID, self._run.name) == 0
            yield Level.DANGER if none_left and self._lives else Level.WARNING

    def _gpus_in_doubt(self) -> bool:
        models = [name for _, _, name, *_ in self._readings.of(names.GPU_INFO)]
        return visible.in_doubt(self._run.spec, self._run.state, models)

    def _remaining(self) -> float | None:
        progress = self._run.progress
        if not self._trains or progress is None or progress.step is None or progress.max_steps is None:
            return None
        left = max(0, progress.max_steps - progress.step)
        return None if self._step_seconds is None else left * self._step_seconds

    def _restarts_left(self) -> int | None:
        history = self._beside.history
        if history is None or self._run.spec.attached:
            return None
        return history.budget_left(self._run.spec.budget, newest_valid(list(self._saved)), self._since_boot)

    def _signals(self) -> Iterator[Signal]:
        """In the order in which they are shown."""
        if not self._lives:
            return
        yield from self._step()
        yield from self._silence()
        yield from self._unsaved()
        yield from self._room()
        for run, gpu, uuid in self._readings.of(names.RUN_FOREIGN_PROCESSES):
            if run == self._run.name:
                strangers = self._readings.value(names.RUN_FOREIGN_PROCESSES, run, gpu, uuid) or 0
                yield self._signal("gpu_foreign_processes", strangers, gpu=gpu)

    def _step(self) -> Iterator[Signal]:
        if self._step_seconds is not None:
            yield self._signal("step_duration_seconds", self._step_seconds, judged=self._trains)

    def _silence(self) -> Iterator[Signal]:
        """How long no step was taken, from the phase's beginning at the earliest; or how long another phase lasts."""
        since = self._run.phase_since
        if since is None:
            return
        if not self._trains:
            yield self._signal("phase_age_seconds", self._now - since)
            return
        last = self._run.progress.last_step_at if self._run.progress else None
        silence = self._signal("step_age_seconds", self._now - max(since, last or since))
        hung = silence.level is Level.DANGER and self._is_idle() and self._is_unsaved("hung")
        yield silence if not hung else self._signal("step_age_seconds", silence.value, note=_HUNG)

    def _is_idle(self) -> bool:
        """Whether the run's GPUs are known, and none of them works."""
        name = self._run.name
        idle = self._readings.run_limits(name, "gpu_utilization_ratio").get("idle")
        cards = [card for run, *card in self._readings.of(names.RUN_GPU) if run == name]
        used = [self._readings.value(names.GPU_UTILIZATION, *card) for card in cards]
        return idle is not None and bool(used) and all(value is not None and value <= idle for value in used)

    def _unsaved_for(self) -> float | None:
        """Since the newest checkpoint, or since the launch where that is later or there is none yet."""
        saved = self._readings.value(names.CHECKPOINT_LAST, self._run.name)
        launched = self._run.state.started_at if self._run.state else None
        times = [at for at in (saved, launched) if at is not None]
        return self._now - max(times) if times else None

    def _is_unsaved(self, limit: str) -> bool:
        unsaved = self._unsaved_for()
        longest = self._readings.run_limits(self._run.name, "checkpoint_age_seconds").get(limit)
        return unsaved is not None and longest is not None and unsaved > longest

    def _unsaved(self) -> Iterator[Signal]:
        """A run that spent its first hour on caching is not late: it must have been stepping for that long as well."""
        unsaved = self._unsaved_for()
        overdue = self._readings.run_limits(self._run.name, "checkpoint_age_seconds").get("overdue")
        durations = self._run.progress.durations if self._run.progress else None
        stepped = overdue is not None and durations is not None and durations.sum > overdue
        if unsaved is not None and self._run.spec.checkpoints is not None:
            yield self._signal(
                "checkpoint_age_seconds", unsaved, judged=self._trains and (stepped or not self._is_unsaved("overdue"))
            )

    def _room(self) -> Iterator[Signal]:
        free = self._readings.value(names.CHECKPOINT_DISK_FREE, self._run.name)
        size = self._readings.value(names.CHECKPOINT_LAST_SIZE, self._run.name)
        if free is not None and size:
            yield self._signal("checkpoint_room_sizes", free / size)

    def _signal(
        self, signal: str, value: float, *, judged: bool = True, gpu: str | None = None, note: str = ""
    ) -> Signal:
        limits = self._readings.run_limits(self._run.name, signal)
        level = judge(signal, value, limits) if judged else None
        return Signal(signal=signal, value=value, limits=limits, level=level, gpu=gpu, run=self._run.name, note=note)


def newest(every: Iterable[Checkpoint]) -> list[Checkpoint]:
    """The three of those that a restart could go on from that were written last, the last first."""
    return sorted(checkpoints.counted(every), key=lambda checkpoint: -checkpoint.modified_at)[:SHOWN_CHECKPOINTS]


def _saved(checkpoint: Checkpoint) -> Saved:
    return Saved(
        path=checkpoint.path,
        epoch=checkpoint.epoch,
        step=checkpoint.step,
        at=checkpoint.modified_at,
        size_bytes=checkpoint.size_bytes,
        verdict=checkpoint.verdict,
        reason=checkpoint.reason,
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
