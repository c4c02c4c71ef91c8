"""Whether a run that is under way has what a new one would have: then neither could be restarted safely.

What ``trainwarden.yml`` alone tells of their launchers is refused there already (``config.claims``).
"""

import os
from collections.abc import Iterator
from contextlib import suppress

from trainwarden.checkpoints import recipe_of
from trainwarden.config.claims import HARM, Claim, of_checkpoints, of_launcher
from trainwarden.errors import ConfigurationError, RunFolderError
from trainwarden.model import RunSpec
from trainwarden.runs.attendance import is_attended
from trainwarden.runs.folder import RunFolder, list_runs
from trainwarden.supervise.resumable import has_unseen_nodes


def refuse_if_shared(spec: RunSpec) -> None:
    """Raise ``ConfigurationError`` where another run that is under way has a container, a job or checkpoints of it.

    Not where both are only watched: they may be one training, on a node each.
    """
    mine = set(_claims(spec))
    for other in _under_way(spec.name):
        if has_unseen_nodes(spec) and has_unseen_nodes(other):
            continue
        shared = next((claim for claim in _claims(other) if claim in mine), None)
        if shared is not None:
            raise ConfigurationError(
                f"run '{spec.name}': run '{other.name}', which is under way, has {shared.thing} too, so that {HARM}; "
                "give each its own, or wait for its end"
            )


def _under_way(apart: str) -> Iterator[RunSpec]:
    for name in list_runs():
        folder = RunFolder(name)
        with suppress(RunFolderError):  # damaged: it is never restarted
            spec = folder.read_spec() if name != apart and is_attended(folder) else None
            if spec is not None:
                yield spec


def _claims(spec: RunSpec) -> Iterator[Claim]:
    yield from of_launcher(spec.launcher, spec.name, spec.cwd)
    told_apart_by = _recipe_says(spec)
    if spec.checkpoints is not None and told_apart_by is not None:
        yield of_checkpoints(os.path.realpath(spec.checkpoints), told_apart_by)


def _recipe_says(spec: RunSpec) -> str | None:
    try:
        return recipe_of(spec).told_apart_by(spec.output_name)
    except ConfigurationError:  # a recipe of another version
        return None
