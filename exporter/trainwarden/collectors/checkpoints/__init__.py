"""The runs' checkpoints: how many, how old, how large, whether the newest is whole, and what room is left."""

from trainwarden.collectors.checkpoints.families import counted, families, saves_apart
from trainwarden.collectors.checkpoints.folder import Disk, DiskReader, RunCheckpoints, disk_of
from trainwarden.collectors.checkpoints.reading import Checkpoints, CheckpointsReading

__all__ = [
    "Checkpoints",
    "CheckpointsReading",
    "Disk",
    "DiskReader",
    "RunCheckpoints",
    "counted",
    "disk_of",
    "families",
    "saves_apart",
]
