"""The five faults: how each is brought about, by which links it is followed, and what must not come of it."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from trainwarden import names, units
from trainwarden.chain.metrics import Metrics
from trainwarden.drill import links
from trainwarden.drill.earnest import TRAINER, Earnest
from trainwarden.drill.links import Link, Scene, Seen
from trainwarden.drill.people import Ways
from trainwarden.drill.scratch import STANDING_SECONDS, Scratch
from trainwarden.drill.simulated import CALM
from trainwarden.restart import events
from trainwarden.restart.states import GiveUpReason

BEYOND_CELSIUS = 5.0
"""By which the simulated card is hotter than where danger begins."""

_READINGS = "the readings of GPU and RAM"
_FULL_BYTES = 0
"""What is left on the simulated disk."""


class Fault(NamedTuple):
    """One fault."""

    name: str
    what: str
    """One sentence: what is done, and what is to come of it."""
    simulated: str
    """What of it is no real thing."""
    begin: Callable[[Scratch, Earnest], None]
    chain: Callable[[Earnest, Ways], list[Link]]
    """From the fault to the last thing that must happen, and the ways by which people are told."""
    after: Callable[[Earnest], list[Link]]
    """What must follow once the fault is taken back."""
    launches: int
    """How many generations there must be in the end: 2 is one restart."""


class _Warned(NamedTuple):
    """An alert that only tells people, and the threshold beyond which it stands."""

    alert: str
    severity: str
    signal: str
    level: str
    beyond: str = ">"
    mean: str = "2 min"
    """Of how much time it takes the mean."""


def hang() -> Fault:
    """A step that never ends."""

    def stands(scene: Scene) -> Seen | None:
        told = scene.run.progress
        if told is None or told.last_step_at is None or scene.run.steps or not scene.run.lives:
            return None
        return Seen(f"no step after {told.step}, and it lives", told.last_step_at + STANDING_SECONDS)

    def chain(earnest: Earnest, ways: Ways) -> list[Link]:
        alert, severity = "TrainwardenRunHung", "critical"
        return [
            Link("fault", "the scratch run stands still", stands),
            links.measured("the exporter shows an idle GPU", _idle),
            links.scraped(earnest, "trainwarden_gpu_utilization_ratio == 0"),
            links.pending(alert, severity, earnest.unsaved(), patience=120),
            links.firing(alert, severity, earnest.waits(alert, severity)),
            links.sent(alert, severity, "trainwarden"),
            *_told(earnest, ways),
            *_restart(earnest, f"{units.duration(earnest.limits.look_apart)} or 3 steps between two looks"),
            links.resolved(alert, severity, "at once"),
        ]

    what = "A step never ends and the GPU idles: one restart from the newest whole checkpoint."
    return _restarted("hang", what, chain)


def crash() -> Fault:
    """A CUDA error."""

    def chain(earnest: Earnest, ways: Ways) -> list[Link]:
        return [*_died(earnest, ways), *_restart(earnest, "at once"), _crash_over()]

    what = "The training dies of a CUDA error: one restart from the newest whole checkpoint."
    return _restarted("crash", what, chain)


def disk() -> Fault:
    """A disk that fills up, until a save finds no space left on the device."""

    def begin(run: Scratch, _: Earnest) -> None:
        run.pretended = replace(CALM, disk_available_bytes=_FULL_BYTES)

    def shows(page: Metrics, scene: Scene) -> str:
        free = page.value(names.CHECKPOINT_DISK_FREE, run=scene.run.name)
        return f"{units.of(free, '_bytes')} left" if free == _FULL_BYTES else ""

    def refused(scene: Scene) -> Seen | None:
        found = [e for e in scene.run.events(events.GaveUp) if e.reason is GiveUpReason.DISK_FULL]
        return Seen(found[0].detail, found[0].at) if found else None

    alert, level = ("TrainwardenCheckpointRoomLow", "critical"), ("checkpoint_room_sizes", "danger")
    warned = _Warned(*alert, *level, beyond="<", mean="5 min")
    room = "trainwarden_checkpoint_filesystem_available_bytes{{run}} / trainwarden_checkpoint_last_size_bytes{{run}}"
    human = "TrainwardenRestartGaveUp"

    def chain(earnest: Earnest, ways: Ways) -> list[Link]:
        return [
            *_warns(warned, "the exporter shows a full disk", shows, room)(earnest, ways),
            _dead()._replace(
                title="a save fails, and the scratch run has died", first=lambda run: run.strike("disk-full")
            ),
            _accepted(earnest),
            Link("refused", "the receiver decides not to launch", refused, "at once", patience=60),
            links.firing(human, "critical", earnest.scrape)._replace(name="called", title="a human is called"),
            links.sent(human, "critical", "notify")._replace(name="routed", title="Alertmanager has the call"),
        ]

    return Fault(
        "disk",
        "The disk fills up and people are told; then a save fails: no restart (the next one would fail too), and a"
        " human is called.",
        f"{_READINGS}, and the full disk: yours is not filled, and the save that fails goes to /dev/full",
        begin,
        chain,
        lambda earnest: [_over(warned, earnest)],
        launches=1,
    )


def leak() -> Fault:
    """RAM that fills up."""

    def begin(run: Scratch, earnest: Earnest) -> None:
        run.pretended = replace(CALM, memory_used_ratio=(earnest.threshold("memory_used_ratio", "advice") + 1) / 2)

    def shows(page: Metrics, scene: Scene) -> str:
        available, total = (page.value(f) for f in (names.HOST_MEMORY_AVAILABLE, names.HOST_MEMORY_TOTAL))
        ratio = 0.0 if available is None or not total else 1 - available / total
        full = scene.earnest.threshold("memory_used_ratio", "advice")
        return f"{units.of(ratio, '_ratio')} of the RAM in use" if ratio > full else ""

    query = "1 - trainwarden_host_memory_available_bytes / trainwarden_host_memory_total_bytes"
    warned = _Warned("TrainwardenRunMemoryPressure", "warning", "memory_used_ratio", "advice")
    return Fault(
        "leak",
        "The RAM fills up while the run lives: people are told, and nothing is restarted.",
        f"{_READINGS}: your RAM is not filled",
        begin,
        _warns(warned, "the exporter shows full RAM", shows, query),
        lambda earnest: [_over(warned, earnest)],
        launches=1,
    )


def overheat() -> Fault:
    """A hot card."""

    def begin(run: Scratch, earnest: Earnest) -> None:
        hot = earnest.threshold("gpu_temperature_celsius", "danger") + BEYOND_CELSIUS
        run.pretended = replace(CALM, temperature_celsius=hot)

    def shows(page: Metrics, scene: Scene) -> str:
        celsius = page.value(names.GPU_TEMPERATURE, sensor="gpu")
        return f"{celsius:.0f} °C" if celsius is not None and celsius == scene.run.pretended.temperature_celsius else ""

    warned = _Warned("TrainwardenGpuHot", "critical", "gpu_temperature_celsius", "danger")
    return Fault(
        "overheat",
        "The GPU is hotter than where danger begins: people are told, and nothing is restarted.",
        f"{_READINGS}: no card is heated",
        begin,
        _warns(warned, "the exporter shows a hot GPU", shows, 'trainwarden_gpu_temperature_celsius{sensor="gpu"}'),
        lambda earnest: [_over(warned, earnest)],
        launches=1,
    )


FAULTS: dict[str, Callable[[], Fault]] = {
    "hang": hang,
    "crash": crash,
    "leak": leak,
    "overheat": overheat,
    "disk": disk,
}
"""In the order of ``drill all``."""


def _restarted(name: str, what: str, chain: Callable[[Earnest, Ways], list[Link]]) -> Fault:
    """A fault that the training really meets, and that a restart mends."""
    return Fault(name, what, _READINGS, lambda run, _: run.strike(name), chain, lambda _: [], launches=2)


def _idle(page: Metrics, _: Scene) -> str:
    return "0 % utilisation" if page.value(names.GPU_UTILIZATION) == 0 else ""


def _dead() -> Link:
    def dead(scene: Scene) -> Seen | None:
        state = scene.run.state
        return Seen(state.last_words, state.ended.at) if state and state.ended else None

    return Link("fault", "the scratch run has died", dead)


def _died(earnest: Earnest, ways: Ways) -> list[Link]:
    """From the training's death until Alertmanager has it."""
    alert, severity = "TrainwardenRunCrashed", "critical"

    def shows(page: Metrics, scene: Scene) -> str:
        failed = page.value(names.RUN_PHASE, run=scene.run.name, phase="failed") == 1
        return "phase failed" if failed else ""

    return [
        _dead(),
        links.measured("the exporter shows it", shows),
        links.scraped(earnest, 'trainwarden_run_phase{{run},phase="failed"} == 1'),
        links.firing(alert, severity, f"{earnest.scrape} at most"),
        links.sent(alert, severity, "trainwarden"),
        *_told(earnest, ways),
    ]


def _accepted(earnest: Earnest) -> Link:
    def say(scene: Scene) -> str:
        return f"for {scene.run.events(events.Accepted)[-1].alert}"

    return links.entered("accepted", "the receiver has accepted it", events.Accepted, say, earnest.restart_wait)


def _restart(earnest: Earnest, look: str) -> list[Link]:
    """From the webhook to the first new steps."""
    limits = earnest.limits

    def reason(scene: Scene) -> str:
        return scene.run.events(events.Decided)[-1].reason.value

    pause = units.duration(limits.pause_after_stop)
    return [
        _accepted(earnest),
        links.entered("decided", "the receiver decides", events.Decided, reason, look),
        links.entered(
            "stopped",
            "nothing of it lives any more",
            events.Died,
            lambda _: "stopped",
            f"{units.duration(limits.term_grace)} at most, then SIGKILL",
        ),
        links.entered("launched", "it is launched again", events.Launched, links.launched, f"{pause} of pause"),
        links.entered("resumed", "it trains on", events.Recovered, links.recovered, TRAINER),
        links.sent("TrainwardenRunRecovered", "info", "notify-once")._replace(
            name="reported", title="people are to hear of it", earnest=f"{earnest.scrape} at most"
        ),
    ]


def _crash_over() -> Link:
    return links.resolved("TrainwardenRunCrashed", "critical", "at once")


def _over(warned: _Warned, earnest: Earnest) -> Link:
    calm = earnest.waits(warned.alert, warned.severity, "keep_firing_for")
    return links.resolved(warned.alert, warned.severity, f"{calm} of calm")


def _warns(
    warned: _Warned, title: str, shows: Callable[[Metrics, Scene], str], query: str
) -> Callable[[Earnest, Ways], list[Link]]:
    """A fault that only tells people."""

    def chain(earnest: Earnest, ways: Ways) -> list[Link]:
        alert, severity = warned.alert, warned.severity
        return [
            links.measured(title, shows),
            links.scraped(earnest, f"{query} {warned.beyond} {earnest.threshold(warned.signal, warned.level)}"),
            links.pending(alert, severity, f"the mean of {warned.mean} is beyond the threshold", patience=60),
            links.firing(alert, severity, earnest.waits(alert, severity)),
            links.sent(alert, severity, "notify"),
            *_told(earnest, ways),
        ]

    return chain


def _told(earnest: Earnest, ways: Ways) -> list[Link]:
    return [links.told(earnest.group_wait, ways)] if ways else []
