"""A real Slurm of one machine: munged, slurmctld and slurmd as children of the test, in a throwaway folder."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.external import need, of_a_daemon
from tests.support.ports import free_port
from tests.support.wait import wait_until

_CONF = """\
ClusterName=t
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/d.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmctldPort={ctld}
SlurmdPort={d}
ReturnToService=2
MailProg=/bin/true
JobRequeue=1
KillWait=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=p Nodes=ALL Default=YES State=UP
"""


class Slurm:
    """Its commands, by SLURM_CONF in the environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self.host = os.uname().nodename.partition(".")[0]

    def ask(self, *argv: str) -> str:
        environment = {**os.environ, "SLURM_CONF": str(self.conf), "SLURM_TIME_FORMAT": "%s"}
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30, check=True)
        return done.stdout

    def show(self, job: int | str) -> dict[str, str]:
        fields = self.ask("scontrol", "--oneliner", "show", "job", str(job)).split()
        return dict(field.split("=", 1) for field in fields if "=" in field)

    def jobs(self) -> list[str]:
        return self.ask("squeue", "--noheader", "--states=all", "--format=%i").split()

    def lose_node(self) -> None:
        """As when a machine dies: what runs there is requeued."""
        self.ask("scontrol", "update", f"NodeName={self.host}", "State=DOWN", "Reason=test")

    def find_node(self) -> None:
        """The machine is back; Slurm may have noticed that by itself already, and then refuses to be told."""

        def is_back() -> bool:
            with suppress(subprocess.CalledProcessError):
                self.ask("scontrol", "update", f"NodeName={self.host}", "State=RESUME")
            return self.ask("sinfo", "--noheader", "--format=%T").strip() in ("idle", "mixed", "allocated")

        wait_until(is_back, 60, "the node is back", every=0.5)

    def clear(self) -> None:
        """End every job, and wait until nothing of them runs, so that the next test finds a free machine."""
        self.ask("scancel", f"--user={os.getuid()}")
        wait_until(lambda: not self.ask("squeue", "--noheader").strip(), 30, "all jobs have ended")


@pytest.fixture(scope="module")
def slurm_cluster() -> Iterator[Slurm]:
    """A Slurm for the tests of a module."""
    need("munged", "slurmctld", "slurmd", "sbatch", root=True)
    with running_slurm() as slurm:
        yield slurm


@pytest.fixture
def slurm(slurm_cluster: Slurm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """The module's Slurm, by this process's environment, without any job before and after a test."""
    monkeypatch.setenv("SLURM_CONF", str(slurm_cluster.conf))
    yield slurm_cluster
    slurm_cluster.clear()


@contextmanager
def running_slurm() -> Iterator[Slurm]:
    with tempfile.TemporaryDirectory(prefix="tw-slurm-") as name, ExitStack() as stack:
        folder = Path(name)
        slurm = Slurm(folder)
        for part in ("state", "spool"):
            (folder / part).mkdir()
        slurm.conf.write_text(_CONF.format(host=slurm.host, folder=folder, ctld=free_port(), d=free_port()))
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        files = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        munge = [f"--{option}={folder}/munge.{suffix}" for option, suffix in files.items()]
        stack.enter_context(_child(folder, "munged", "--force", "--foreground", *munge))
        wait_until((folder / "munge.socket").exists, 10, "munged listens")
        stack.enter_context(_child(folder, "slurmctld", "-D", "-f", str(slurm.conf)))
        stack.enter_context(_child(folder, "slurmd", "-D", "-f", str(slurm.conf)))
        wait_until(lambda: _is_idle(slurm), 60, "the node is idle")
        yield slurm
        slurm.clear()


def _is_idle(slurm: Slurm) -> bool:
    try:
        return slurm.ask("sinfo", "--noheader", "--format=%T").strip() == "idle"
    except subprocess.CalledProcessError:
        return False


@contextmanager
def _child(folder: Path, program: str, *arguments: str) -> Iterator[None]:
    with (folder / f"{program}.out").open("wb") as out:
        child = subprocess.Popen(
            [program, *arguments], stdout=out, stderr=out, env=of_a_daemon(), start_new_session=True
        )
        try:
            yield
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(5)
