"""The disk that a run saves to: the next checkpoint, the end of the run, inodes, and the folder itself."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.rules.promtool import Stands, check, stands
from tests.rules.story import Levels, Night, Run, caching, ended, key, starting, training
from trainwarden import guide, names
from trainwarden.model import Phase
from trainwarden.stack.tools import Tools

TRAINS = Run([starting(2), caching(8), training(600)])  # launched at 5, saves of 0.87 GiB at 85, 155, 225, …
FREE, INODES = key(names.CHECKPOINT_DISK_FREE, "lora"), key(names.CHECKPOINT_INODES_FREE, "lora")
FOLDER = key(names.CHECKPOINT_FOLDER_UP, "lora")
SAVES = (5, 85, 155, 225, 295, 365, 435)
# 24 steps a minute; the last at 600.
STEPS: dict[str, Levels] = {
    key(names.RUN_STEP, "lora"): [(minute, (minute - 15) * 24) for minute in range(15, 500)],
    key(names.RUN_MAX_STEPS, "lora"): ((5, 585 * 24),),
}


def _left(gib: Sequence[float], *further: tuple[float, float]) -> dict[str, Levels]:
    """What is left after each save."""
    found = [*zip(SAVES, gib, strict=False), *further]
    return {FREE: [(minute, left * guide.GIB) for minute, left in sorted(found)]}


def _of_run(alert: str, severity: str, since: float, until: float | None = None) -> Stands:
    return stands(alert, severity, since, until, run="lora")


def _long(also: dict[str, Levels]) -> Night:
    return Night(440, [TRAINS], scrape_seconds=60, also={**STEPS, **also})


NIGHTS: dict[str, tuple[Night, list[Stands]]] = {
    # Room for 1.4 of them from 90, for 0.6 from 110, and for very many again from 130.
    "the next checkpoint may not fit, and then will not": (
        Night(180, [TRAINS], also=_left((200, 200), (90, 1.2), (110, 0.5), (130, 200))),
        [
            _of_run("TrainwardenCheckpointRoomLow", "warning", 97, 160.5),
            _of_run("TrainwardenCheckpointRoomLow", "critical", 114.5, 160.5),
        ],
    ),
    "a small disk, and no checkpoint to compare with yet": (Night(80, [TRAINS], also=_left((1,))), []),
    "a full disk after the run": (
        Night(
            150, [Run([*TRAINS.chapters[:2], training(75), ended(Phase.FINISHED)])], also=_left((200, 200), (95, 0.1))
        ),
        [],
    ),
    # Three intervals are seen at 295, and an hour later it still fills. Room is made at 390.
    "the disk fills before the end": (
        _long(_left((60, 50, 40, 30, 20, 10), (390, 200))),
        [_of_run("TrainwardenDiskFillsBeforeEnd", "warning", 355, 410)],
    ),
    "the disk fills, and lasts to the end": (_long(_left((300, 290, 280, 270, 260, 250, 240))), []),
    "the oldest checkpoint is deleted after the third": (_long(_left((60, 50, 40, 30, 30, 30, 30))), []),
    "somebody unpacks an archive beside it": (_long(_left((200, 199), (100, 120))), []),
    "hardly any inodes": (
        Night(140, [TRAINS], also={INODES: ((5, 5_000_000), (60, 200_000), (90, 5_000_000))}),
        [_of_run("TrainwardenCheckpointInodesLow", "warning", 70, 120.5)],
    ),
    "a file system without a limit on inodes": (
        Night(60, [TRAINS], also={INODES: ((0, None),), key(names.CHECKPOINT_INODES, "lora"): ((0, None),)}),
        [],
    ),
    "the checkpoint folder is gone": (
        Night(120, [TRAINS], also={FOLDER: ((5, 1), (60, 0), (90, 1))}),
        [_of_run("TrainwardenCheckpointFolderGone", "critical", 67, 92)],
    ),
    "the folder is made at the first save": (Night(120, [TRAINS], also={FOLDER: ((5, 0), (85, 1))}), []),
}


@pytest.mark.parametrize("night", NIGHTS)
def test_it_stands_from_its_minute_until_it_is_over(night: str, tools: Tools, tmp_path: Path) -> None:
    check(tools.promtool, tmp_path, night, *NIGHTS[night])
