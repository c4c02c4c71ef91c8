"""The evidence of one decision, as files in the run folder: for the human who asks in the morning why it was restarted.

``evidence/<generation>-<moment of the decision>/`` holds the decision with its facts, what was printed last, the run's
own files, and the GPUs; what the processes were doing is added by the supervisor, which alone sees them, before it
stops them. Bounded in size and number: nothing here may fill the disk that the training needs.
"""

import shutil
from pathlib import Path

import msgspec

from trainwarden.restart.exporter import ExporterReading
from trainwarden.restart.facts import Facts
from trainwarden.restart.states import RestartReason
from trainwarden.runs.folder import RunFolder
from trainwarden.runs.tail import last_bytes

KEPT = 10
"""Bundles of a run; older ones go."""
TAIL_BYTES = 256 * 1024
"""Of what was printed last."""


def write(
    folder: RunFolder, *, generation: int, at: float, reason: RestartReason, facts: Facts, gpus: ExporterReading | None
) -> Path:
    """Write the bundle, anew where a killed receiver had begun it. Raises ``OSError``.

    ``at``: when it was decided, Unix seconds; so that no decision's evidence is written over by another's.
    """
    bundle = folder.evidence_path / f"{generation}-{at:.6f}"
    bundle.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(bundle / "decision.json", {"reason": reason, "generation": generation, "at": at, "facts": facts})
    _write(bundle / "gpus.json", gpus)
    (bundle / "output.log").write_bytes(_tail(folder.output_path(generation)))
    for path in (folder.state_path, *sorted((folder.path / "progress").glob("[!.]*.json"))):
        if path.exists():
            shutil.copyfile(path, bundle / path.name)
    _forget_older(folder.evidence_path)
    return bundle


def _write(path: Path, value: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def _tail(log: Path) -> bytes:
    try:
        return last_bytes(log, TAIL_BYTES)
    except FileNotFoundError:
        return b""


def _forget_older(root: Path) -> None:
    bundles = sorted((path for path in root.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in bundles[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
