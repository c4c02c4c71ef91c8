"""One training handed to each engine, as its user would: what to say below ``launcher:``, and what that speaks of."""

import os
import sys
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.support.docker import Docker
from trainwarden.launching import CommandOptions, DockerOptions, Launching, SlurmOptions

_JOBS = """
import os, pathlib, signal, subprocess, sys
verb, folder, name, generation, group = sys.argv[1:]
pid_file = pathlib.Path(folder, f"{generation}.pid")

def alive():
    try:
        pid = int(pid_file.read_text())
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, ValueError):
        return False

if verb == "probe":
    sys.exit(0 if alive() else 3)
if verb == "stop":
    if alive():
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
    sys.exit(0)
if group:
    pathlib.Path(group, "cgroup.procs").write_text("0")
started = subprocess.Popen(
    [sys.executable, "-m", "trainwarden", "exec", name], start_new_session=True,
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
pid_file.write_text(str(started.pid))
"""
"""A small job manager, as somebody's cluster has one."""


def by_command(folder: Path, group: Path | None = None) -> Launching:
    """The job manager, its records in ``folder``; what it starts begins in this control group, if one is given."""
    jobs = folder / "jobs.py"
    jobs.write_text(_JOBS)

    def ask(verb: str) -> list[str]:
        return [sys.executable, str(jobs), verb, str(folder), "{name}", "{generation}", str(group or "")]

    return Launching(command=CommandOptions(start=ask("start"), probe=ask("probe"), stop=ask("stop")))


def by_slurm(folder: Path, *arguments: str, name: str = "luca") -> Launching:
    """A job script in ``folder``; ``arguments`` are sbatch's."""
    script = folder / f"{name}.sh"
    script.write_text(f"#!/bin/bash\nexec {sys.executable} -m trainwarden exec {name}\n")
    return Launching(slurm=SlurmOptions(script=str(script), arguments=list(arguments), interval=0.2))


def in_docker(docker: Docker, folder: Path, command: list[str], name: str = "luca") -> Launching:
    """A container, not started, that has this machine's Python, and ``folder``, where this machine has them.

    And what this environment says of arithmetic, so that it computes bit for bit what a process outside does.
    """
    shared = {"/usr", "/lib", "/lib64", str(REPOSITORY), sys.base_prefix}
    places = [f"{place}:{place}:ro" for place in sorted(shared) if Path(place).exists()]
    host = {"Binds": [*places, f"{folder}:{folder}"]}
    arithmetic = [f"{key}={value}" for key, value in os.environ.items() if key.startswith("OPENBLAS_")]
    docker.create(name, "", Cmd=command, WorkingDir=str(folder), Env=arithmetic, HostConfig=host)
    return Launching(docker=DockerOptions(container=name, socket=docker.socket))
