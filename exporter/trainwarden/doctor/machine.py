"""The links that lie on this machine itself: the configuration, the folder of the runs, the GPU's driver."""

import os
from pathlib import Path

from trainwarden import system, units
from trainwarden.collectors.gpu import nvml
from trainwarden.doctor.finding import Finding, failed, ok, warning
from trainwarden.doctor.scene import Scene
from trainwarden.errors import ConfigurationError, TrainwardenError
from trainwarden.names import RUN_NAME

FOREIGN_FILESYSTEMS = ("9p", "drvfs", "nfs", "nfs4", "cifs", "smb3", "fuse.sshfs")
"""Where locks, and a rename that is seen whole, cannot be relied on; the first two are Windows' drives under WSL2."""


def configuration(scene: Scene) -> Finding:
    """Whether ``trainwarden.yml`` can be read, and where everything answers by it."""
    try:
        _ = scene.config, scene.addresses
    except ConfigurationError as error:
        return failed(str(error), "Mend the file at the place named; `trainwarden config` checks it.")
    except TrainwardenError as error:
        return failed(str(error), "Do that, and bring the stack up again: trainwarden up --detach")
    source = str(scene.config_file) if scene.config_file else "no trainwarden.yml: the guide's numbers"
    return ok(source)


def folder(scene: Scene, proc: Path = system.PROC) -> Finding:
    """Whether exporter, receiver and supervisors, as this user, can use the folder of the runs."""
    root = _existing(scene.runs)
    if not root.is_dir():
        return failed(f"{root} is no folder", f"Move that file aside, so that {scene.runs} can be made.")
    if not _usable(root):
        return failed(
            f"{root} cannot be written by {_user()}",
            f"Give it to the user who trains: sudo chown -R {_user()} {root}",
        )
    locked = [path.name for path in _runs(scene.runs) if not _usable(path)]
    if locked:
        names = ", ".join(locked)
        return failed(
            f"the folders of {names} cannot be used by {_user()}",
            f"Give them back to the user who trains: sudo chown -R {_user()} {scene.runs}",
        )
    kind = filesystem(root, proc)
    if kind in FOREIGN_FILESYSTEMS:
        return warning(
            f"{scene.runs} lies on {kind}, where locks and renames are not to be relied on",
            "Set XDG_STATE_HOME to a folder on this machine's own disk (under WSL2: not below /mnt).",
        )
    return ok(f"{scene.runs}: {units.counted(len(_runs(scene.runs)), 'run')}")


def driver(_: Scene, proc: Path = system.PROC) -> Finding:
    """Whether NVIDIA's management library is there. Loads it and calls nothing: a call may hang."""
    if nvml.load() is not None:
        return ok("NVIDIA's management library is there")
    if under_wsl(proc):
        return warning(
            f"{nvml.WSL_LIBRARY} is not there: no GPU is watched",
            "Install NVIDIA's driver in Windows (not in WSL2, which gets it from there), then: wsl --shutdown",
        )
    return warning(
        f"{nvml.SONAME} is not there: no GPU is watched",
        "If this machine has an NVIDIA GPU, install its driver; without one there is nothing to mend.",
    )


def under_wsl(proc: Path = system.PROC) -> bool:
    """Whether this is Linux inside Windows."""
    try:
        return "microsoft" in (proc / "version").read_text().lower()
    except OSError:
        return False


def filesystem(path: Path, proc: Path = system.PROC) -> str:
    """The type of the file system that holds ``path``; empty where /proc does not tell."""
    try:
        lines = [line.split() for line in (proc / "self/mounts").read_text().splitlines()]
    except OSError:
        return ""
    real = path.resolve()
    holding = [(line[1], line[2]) for line in lines if real.is_relative_to(line[1])]
    return max(holding, key=lambda mount: len(mount[0]))[1] if holding else ""


def _existing(path: Path) -> Path:
    """The folder itself, or the one above it in which it would be made."""
    return next((p for p in (path, *path.parents) if os.path.lexists(p)), Path("/"))


def _usable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)


def _runs(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return [path for path in sorted(root.iterdir()) if RUN_NAME.fullmatch(path.name) and path.is_dir()]


def _user() -> str:
    return f"uid {os.geteuid()}"
