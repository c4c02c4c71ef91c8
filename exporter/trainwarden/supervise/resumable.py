"""Whether a run could be resumed exactly, said at its launch and not after its crash."""

from pathlib import Path

from trainwarden.checkpoints import recipe_of
from trainwarden.model import RunSpec


def problem(spec: RunSpec) -> str:
    """Why the run could not be resumed: one sentence with the mend; empty where it can."""
    if spec.nodes > 1 and not (spec.launcher is not None and spec.launcher.sees_all_nodes):
        return f"a run on {spec.nodes} nodes is only watched here: it is restarted by its scheduler (launcher slurm)"
    said = recipe_of(spec).settings(spec.command, Path(spec.cwd)).problem
    if said or spec.checkpoints is not None:
        return said
    return "no checkpoint folder is known: name the folder that the trainer writes to with --checkpoints"
