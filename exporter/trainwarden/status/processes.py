"""Who uses most of the machine's memory: the guide's "top 5"."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from trainwarden import system
from trainwarden.collectors import runs
from trainwarden.deadline import Deadline
from trainwarden.status.report import Process

SHOWN = 5
READ_SECONDS = 0.5
"""For all of them. A process whose memory a hung driver holds locked does not even tell its command line."""
_NAME_LENGTH = 60


class Processes:
    """The processes of this machine, or of this container."""

    def __init__(self, proc: Path = system.PROC) -> None:
        self._proc = proc
        self._deadline: Deadline[list[Process]] = Deadline("the list of the processes", READ_SECONDS)

    def read(self, every: tuple[runs.Run, ...]) -> list[Process]:
        """The five that use most memory, most first. Raises ``OverdueError``, OSError."""
        return self._deadline.run(lambda: list(self._largest(_members(every, self._proc))))

    def _largest(self, members: Mapping[tuple[int, int], str]) -> Iterator[Process]:
        read = (system.read_stat(pid, self._proc) for pid in system.all_pids(self._proc))
        found = sorted((stat for stat in read if stat is not None), key=lambda stat: -stat.rss_bytes)
        for stat in found[:SHOWN]:
            run = members.get((stat.pid, stat.start_time))
            yield Process(pid=stat.pid, name=_name(stat.pid, self._proc), memory_bytes=stat.rss_bytes, run=run)


def _members(every: tuple[runs.Run, ...], proc: Path) -> dict[tuple[int, int], str]:
    """Run by pid and start time, of those whose pids mean here what they mean there."""
    here = system.pid_namespace(proc)
    live = [(run.name, run.state) for run in every if run.up and run.state is not None]
    readable = [(name, state) for name, state in live if state.training and state.training.pid_namespace == here]
    return {(member.pid, member.start_time): name for name, state in readable for member in state.members}


def _name(pid: int, proc: Path) -> str:
    """The program, and what an interpreter runs. What else stands in a command line may be secret."""
    try:
        words = [word for word in (proc / str(pid) / "cmdline").read_bytes().split(b"\0") if word]
        texts = [Path(word.decode(errors="replace")).name for word in words]
    except OSError:  # gone meanwhile
        return ""
    program = texts[0] if texts else ""
    if program.startswith("python"):
        script = next((text for text in texts[1:] if text == "-c" or not text.startswith("-")), "")
        program = f"{program} {script}".strip()
    return program[:_NAME_LENGTH]
