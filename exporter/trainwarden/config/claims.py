"""What a run says is its own. Where two runs say it of one thing, a restart of the one would hit the other.

A tmux session is nobody's own: each run has a window there. Nor is a job's name in Slurm, which some share on purpose
(``--dependency=singleton``): a job is known by its comment. And two entries may be two ways of one training, a balanced
one and a conservative one, say, which save under one name: that they are not under way together is seen at the launch.
"""

import os
import shlex
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from trainwarden.config.shape import RunConfig
from trainwarden.errors import ConfigurationError
from trainwarden.launching import DOCKER_SOCKET, CommandOptions, DockerOptions, Launching, SlurmOptions

HARM = "a restart of one would hit the other"
"""Why no two runs may have the same."""


class Claim(NamedTuple):
    """One thing that must be one run's alone."""

    key: str
    """Of its entry in ``runs:``, as ``launcher.docker.container``."""
    thing: str
    """As people say it: ``container 'luca'``."""


def check_apart(runs: Mapping[str, RunConfig]) -> None:
    """Raise ``ConfigurationError`` where two entries of ``runs:`` name the same thing as their own."""
    owners: dict[Claim, str] = {}
    for name, run in runs.items():
        for claim in of_launcher(run.launcher, name, run.cwd):
            owner = owners.setdefault(claim, name)
            if owner != name:
                raise ConfigurationError(
                    f"runs.{name}.{claim.key}: run '{owner}' has {claim.thing} too, so that {HARM}; give each its own"
                )


def of_launcher(launcher: Launching | None, name: str, cwd: str | None) -> Iterator[Claim]:
    """What the engine of the run ``name`` would start and stop; ``cwd``: where a job's relative script begins."""
    if launcher is None:
        return
    if launcher.docker is not None:
        yield _container(launcher.docker)
    if launcher.command is not None:
        yield from _commands(launcher.command, name)
    if launcher.slurm is not None:
        yield from _job(launcher.slurm, cwd)


def of_checkpoints(folder: str, told_apart_by: str) -> Claim:
    """The checkpoints in ``folder`` whose names ``told_apart_by`` tells from others'; all, where that is empty."""
    which = f"the checkpoints '{told_apart_by}'" if told_apart_by else "the checkpoints"
    return Claim("checkpoints", f"{which} in {folder}")


def _container(docker: DockerOptions) -> Claim:
    where = "" if docker.socket in (None, DOCKER_SOCKET) else f" at {docker.socket}"
    return Claim("launcher.docker.container", f"container '{docker.container}'{where}")


def _commands(commands: CommandOptions, name: str) -> Iterator[Claim]:
    """Each alone is enough: who has another run's ``stop`` ends it, whatever he starts."""
    for key, words in (("start", commands.start), ("probe", commands.probe), ("stop", commands.stop)):
        if not any("{run_id}" in word for word in words):
            filled = [word.replace("{name}", name) for word in words]
            yield Claim(f"launcher.command.{key}", f"the command `{shlex.join(filled)}`")


def _job(slurm: SlurmOptions, cwd: str | None) -> Iterator[Claim]:
    """A script learns from nothing but the job's name and what is exported which run it is started for."""
    script = _place(slurm.script, cwd)
    if script is not None:
        told = [f"{option}={value}" for option, value in _options(slurm.arguments).items()]
        yield Claim("launcher.slurm.script", " ".join((f"job script {script}", *told)))


def _options(arguments: list[str]) -> dict[str, str]:
    """The job's name and what is exported, of sbatch's options in whichever way they are written."""
    found: dict[str, str] = {}
    for word, after in zip_longest(arguments, arguments[1:], fillvalue=""):
        name, equals, value = word.partition("=")
        if name in ("--job-name", "--export"):
            found[name] = value if equals else after
        elif word.startswith("-J"):
            found["--job-name"] = word[2:] or after
    return dict(sorted(found.items()))


def _place(path: str, cwd: str | None) -> str | None:
    """The absolute path; None where it begins wherever the run will be launched."""
    place = Path(cwd or "").expanduser() / Path(path).expanduser()
    return os.path.normpath(place) if place.is_absolute() else None
