"""The five nights, each in a few lines: what the run did, and what the machine showed. Times are minutes from 22:30.

The figures are the guide's (§1 and §3); what it does not tell is said to be assumed. To add a night, tell it here and
`make golden`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from types import MappingProxyType

from tests.rules.story import Chapter, Levels, Night, Run, blocked, ended, key, saving, starting, training, up
from tests.rules.surroundings import RECEIVER
from trainwarden import names
from trainwarden.guide import GIB, PROFILES
from trainwarden.model import ErrorKind, Phase
from trainwarden.names import Family
from trainwarden.restart.states import State

BEGINS = datetime(2026, 1, 9, 22, 30, tzinfo=timezone.utc)
SCRAPE_SECONDS = 60
"""A point a minute: the longest distance that every window of the rules bridges."""
TWO_EPOCHS = 71.25
"""Guide §3: 12 epochs of 855 steps at 2.5 s; saved every two."""
STEP, SLOW_STEP = 2.5, 2.5 / PROFILES["conservative"].speed
AT_REST, LOADED = 5 / 30, 10 / 30
"""Share of RAM in use: the desktop alone, and with the model and the images being read. Assumed."""
RUN = "lora"
ANSWERS: dict[str, Levels] = {up(RECEIVER): ((0, 1),)}
UNDER_WSL2: dict[str, Levels] = {
    key(names.HOST_INFO, "linux", "6.1.0-28-amd64"): ((0, None),),
    key(names.HOST_INFO, "wsl2", "5.15.153.1-microsoft-standard-WSL2"): ((0, 1),),
    key(names.RUN_SETTING, RUN, "gradient_checkpointing"): ((5, 1),),
}


@dataclass(frozen=True)
class Told:
    """A night and how it is told."""

    name: str
    title: str
    story: str
    night: Night
    healthy: bool = False
    """Nothing above info may stand at any minute."""


def loading(caching: float = 12) -> list[Chapter]:
    """A launch, then the latents are cached, at which the GPU works as well."""
    return [starting(2), Chapter(Phase.CACHING, caching, gpu=0.7, vram_gib=9)]


def epochs(saves: int, minutes: float = TWO_EPOCHS, step: float = STEP, vram: float = 15.8) -> Iterator[Chapter]:
    """So many times two epochs, their checkpoint and the sample images. Steps differ a little from one to the next."""
    for number in range(saves):
        faster = 0.99 if number % 2 else 1.01
        yield training(minutes, step=step * faster, vram=vram, saves_every=None)
        yield saving(0.5)
        yield Chapter(Phase.EVALUATING, 1, gpu=0.95, vram_gib=vram)


def climb(since: float, until: float, low: float, high: float, every: float = 5) -> Iterator[tuple[float, float]]:
    """An even rise in steps of ``every`` minutes."""
    for number in range(int((until - since) / every) + 1):
        yield since + number * every, low + (high - low) * number * every / (until - since)


def of_receiver(family: Family, *labels: str) -> str:
    """One of the receiver's own series about the run."""
    return key(family, RUN, *labels, job=RECEIVER)


def restarting(states: Sequence[tuple[float, State]]) -> dict[str, Levels]:
    """The receiver goes through these states, each from its minute on; it watches before."""
    turns = [(5.0, State.WATCHING), *states]
    return {
        of_receiver(names.RESTART_STATE, state.value): [(since, float(state is now)) for since, now in turns]
        for state in State
    }


def _night(
    minutes: float,
    run: Run,
    ram: Levels,
    celsius: float,
    swap: Levels = ((0, 283),),
    also: Mapping[str, Levels] = MappingProxyType({}),
) -> Night:
    return Night(
        minutes,
        [run],
        scrape_seconds=SCRAPE_SECONDS,
        missed_every=97,
        ram_used=ram,
        swap_mib=swap,
        celsius=((0, 36), (8, celsius), (minutes - 20, 38)),
        also={**ANSWERS, **also},
    )


def _ram(training: float, ends: float) -> Levels:
    return ((0, AT_REST), (7, LOADED), (19, training), (ends, AT_REST))


BALANCED = Told(
    "healthy-balanced",
    "A balanced run, eight hours, nothing happens",
    "Twelve epochs at 2.5 s a step, a checkpoint about every 70 minutes, sample images after each, latents cached "
    "at the start. 17 GB of RAM available, 283 MB of swap, VRAM at 97 %, GPU at 47 °C and 99 %. Now and then a "
    "scrape is missed.",
    _night(480, Run([*loading(), *epochs(6), ended(Phase.FINISHED)]), _ram(13 / 30, 456), 47),
    healthy=True,
)

CONSERVATIVE = Told(
    "healthy-conservative",
    "A conservative run, ten hours, nothing happens",
    "The same training set, 30 % slower (3.6 s a step) and in 12.5 GB of VRAM, 9 GB of RAM for the run: for its "
    "profile neither is an alarm. Two epochs, and so two checkpoints, are 102 minutes apart.",
    _night(
        660,
        Run(
            [*loading(), *epochs(6, TWO_EPOCHS * SLOW_STEP / STEP, SLOW_STEP, 12.5), ended(Phase.FINISHED)],
            profile="conservative",
        ),
        _ram(11 / 30, 639),
        45,
    ),
    healthy=True,
)

DIED = Told(
    "died-in-epoch-4",
    "The run that died in epoch 4, after 6.5 hours",
    "Guide §3: planned for 20 epochs, with gradient checkpointing under WSL2, dead of `CUDA unknown error` after "
    "6.5 hours. A warning stands from the sixth hour on. The aggressive profile; the length of an epoch (115 "
    "minutes) is assumed. Its only checkpoint is of epoch 2, hours old by then. The receiver only observes (`mode: "
    "observe`), so the run lies dead until morning, as it did for the guide's author.",
    _night(
        540,
        Run(
            [
                *loading(),
                *epochs(1, 230, STEP / PROFILES["aggressive"].speed, 15.9),
                training(390 - 14 - 231.5, STEP / PROFILES["aggressive"].speed, vram=15.9, saves_every=None),
                Chapter(Phase.FAILED, 10_000, error=ErrorKind.CUDA_UNKNOWN),
            ],
            profile="aggressive",
        ),
        _ram(18 / 30, 395),
        62,
        also=UNDER_WSL2,
    ),
)

_SWAPS: dict[str, Levels] = {
    key(names.HOST_SWAP_IN): ((0, 49152), *climb(380, 480, 49152, 40 * GIB, every=1)),
    key(names.HOST_PRESSURE_WAITING): ((0, 4.25), *climb(380, 480, 4.25, 900, every=1)),
    key(names.HOST_PRESSURE_STALLED): ((0, 1.5), *climb(380, 480, 1.5, 300, every=1)),
}
LEAK = Told(
    "leak-into-swap",
    "A slow leak of RAM, into swap",
    "A balanced run whose data loader keeps what it has read: over two GB an hour from midnight on. When RAM is "
    "full the machine swaps, and the last two epochs become slow (3.4 s a step): 7 MB/s come back from swap, and "
    "every task waits for 5 % of the time. The run ends by itself before anything breaks.",
    _night(
        540,
        Run([*loading(), *epochs(5), *epochs(1, 97, 3.4), ended(Phase.FINISHED)]),
        (*_ram(13 / 30, 90)[:3], *climb(90, 475, 13 / 30, 28 / 30), (481, AT_REST)),
        52,
        swap=((0, 283), *climb(380, 480, 283, 3000), (481, 290)),
        also=_SWAPS,
    ),
)

_HANGS_AT = 270  # 03:00
_HANGS: Sequence[Chapter] = [
    *loading(),
    *epochs(3),
    training(_HANGS_AT - 5 - 14 - 3 * (TWO_EPOCHS + 1.5), saves_every=None),
    blocked(14),
    ended(Phase.STOPPED, 2),
    *loading(),
    *epochs(3),
    ended(Phase.FINISHED),
]
_LAUNCHED, _STEPS_AGAIN = _HANGS_AT + 16, _HANGS_AT + 30  # the second generation, and its first step
_TURNS = [
    (_HANGS_AT + 12, State.LOOKING),
    (_HANGS_AT + 13, State.STOPPING),
    (_HANGS_AT + 15, State.PAUSING),
    (_LAUNCHED, State.PROBATION),
    (_STEPS_AGAIN + 1, State.WATCHING),
]
_RESTART: dict[str, Levels] = {
    **restarting(_TURNS),
    of_receiver(names.RESTARTS, "hung"): ((5, 0), (_LAUNCHED, 1)),
    of_receiver(names.RESTART_BUDGET): ((5, 3), (_LAUNCHED, 2), (_STEPS_AGAIN + TWO_EPOCHS + 1, 3)),
    of_receiver(names.RESTART_GENERATION): ((_HANGS_AT + 13, 2),),
    of_receiver(names.RECOVERY_TIME, "2"): ((_STEPS_AGAIN + 1, (_STEPS_AGAIN + 1) * 60),),
    of_receiver(names.RECOVERY_STEP, "2"): ((_STEPS_AGAIN + 1, 6 * 855),),
    of_receiver(names.RECOVERY_STEPS_LOST, "2"): ((_STEPS_AGAIN + 1, round(33.75 * 60 / STEP)),),
    of_receiver(names.RECOVERY_TIME_LOST, "2"): ((_STEPS_AGAIN + 1, 19 * 60),),
}
HANG = Told(
    "hang-at-three",
    "A hang at 03:00, and its restart",
    "A balanced run stops inside a step at 03:00; the GPU falls to 0 %, its memory stays full. The newest "
    "checkpoint is of epoch 6, 34 minutes old. The restart alert stands after twelve minutes; the receiver looks "
    "again, stops the run, waits a minute, and resumes it as generation 2. Epochs 7 to 12 are trained until "
    "morning, and generation 2 has no restart alert.",
    _night(540, Run(_HANGS), _ram(13 / 30, 520), 47, also=_RESTART),
)

NIGHTS = (BALANCED, CONSERVATIVE, DIED, LEAK, HANG)
