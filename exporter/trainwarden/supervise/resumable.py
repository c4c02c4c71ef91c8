"""Whether a run could be resumed exactly, said at its launch and not after its crash."""

from pathlib import Path, PurePath

from trainwarden.checkpoints import recipe_of
from trainwarden.model import RunSpec

_CLIENTS = {
    "docker": "launcher docker",
    "podman": "launcher docker",
    "nerdctl": "launcher command",
    "kubectl": "launcher command",
    "ssh": "trainwarden on that machine",
    "srun": "launcher slurm",
}
"""Programs that only speak with what trains, and the way to have that supervised."""
_BEFORE = frozenset({"sudo", "env", "nice", "ionice", "nohup", "stdbuf", "time", "timeout", "setsid", "exec"})
"""Programs that become the one behind them."""


def has_unseen_nodes(spec: RunSpec) -> bool:
    """Whether it runs on several nodes and no scheduler is its launcher, so that it is only watched."""
    return spec.nodes > 1 and not (spec.launcher is not None and spec.launcher.sees_all_nodes)


def problem(spec: RunSpec) -> str:
    """Why the run could not be resumed: one sentence with the mend; empty where it can."""
    if has_unseen_nodes(spec):
        return f"a run on {spec.nodes} nodes is only watched here: it is restarted by its scheduler (launcher slurm)"
    if client := _client(spec):
        return (
            f"'{client}' only speaks with the training, which may live on when {client} has ended, and a restart would "
            f"begin another beside it; use {_CLIENTS[client]}"
        )
    said = recipe_of(spec).settings(spec.command, Path(spec.cwd)).problem
    if said or spec.checkpoints is not None:
        return said
    return "no checkpoint folder is known: name the folder that the trainer writes to with --checkpoints"


def _client(spec: RunSpec) -> str:
    """The command's program, where the training is none of its children; empty otherwise, or where an engine knows."""
    if spec.launcher is not None and (spec.launcher.docker is not None or spec.launcher.slurm is not None):
        return ""
    for word in spec.command:
        name = PurePath(word).name
        if name in _CLIENTS:
            return name
        if name not in _BEFORE and not word.startswith("-") and "=" not in word and not word.isdecimal():
            return ""
    return ""
