"""``$XDG_STATE_HOME/trainwarden/runs/<run>/``: where each file of a run stands, and reading and writing them."""

import os
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from trainwarden import system
from trainwarden.errors import RunFolderError
from trainwarden.model import UNDECODABLE, Progress, RunSpec, RunState
from trainwarden.names import RUN_NAME, RUN_NAME_RULE
from trainwarden.runs.writers import combined

T = TypeVar("T")
_SPEC = msgspec.json.Decoder(RunSpec)
_STATE = msgspec.json.Decoder(RunState)
_PROGRESS = msgspec.json.Decoder(Progress)


def runs_root() -> Path:
    """The folder that holds one folder a run."""
    return system.state_root() / "runs"


class RunFolder:
    """One run's folder. Reading says None for what is not there, and raises ``RunFolderError`` for what is broken."""

    def __init__(self, name: str, root: Path | None = None) -> None:
        if not RUN_NAME.fullmatch(name):
            raise RunFolderError(f"run name {name!r}: {RUN_NAME_RULE}")
        self.name = name
        self.path = (root or runs_root()) / name

    @cached_property
    def spec_path(self) -> Path:
        """``run.json``: what the user asked for."""
        return self.path / "run.json"

    @cached_property
    def state_path(self) -> Path:
        """``state.json``: the supervisor's own reading."""
        return self.path / "state.json"

    @property
    def keeper_path(self) -> Path:
        """``keeper.json``: what only the keeper knows (its identity, the child's, the exit status)."""
        return self.path / "keeper.json"

    @property
    def ledger_path(self) -> Path:
        """``ledger.jsonl``: the receiver's write-ahead journal."""
        return self.path / "ledger.jsonl"

    @property
    def evidence_path(self) -> Path:
        """``evidence/``: one folder for each restart, with what showed why."""
        return self.path / "evidence"

    @property
    def pause_path(self) -> Path:
        """``paused``: while it is there, the receiver leaves the run alone (``trainwarden pause``)."""
        return self.path / "paused"

    @property
    def socket_path(self) -> Path:
        """``control.sock``; may be longer than a socket address can hold (see ``runs.control``)."""
        return self.path / "control.sock"

    def output_path(self, generation: int) -> Path:
        """``output.<generation>.log``: everything that the generation printed."""
        return self.path / f"output.{generation}.log"

    def order_path(self, generation: int) -> Path:
        """``order.<generation>.json``: what an engine is to launch, before anybody acts on it."""
        return self.path / f"order.{generation}.json"

    def taken_path(self, generation: int) -> Path:
        """``taken.<generation>.json``: that `trainwarden exec` has taken this order, which happens once."""
        return self.path / f"taken.{generation}.json"

    def exited_path(self, generation: int) -> Path:
        """``exited.<generation>.json``: how the training ended that `trainwarden exec` ran."""
        return self.path / f"exited.{generation}.json"

    def adapted_path(self, generation: int) -> Path:
        """``adapted.<generation>.toml``: the settings of a generation that stepped down."""
        return self.path / f"adapted.{generation}.toml"

    def progress_path(self, writer: str, rank: int) -> Path:
        """``progress/<writer>-<rank>.json``."""
        return self.path / "progress" / f"{writer}-{rank}.json"

    def create(self) -> None:
        """Make the folder, readable by its owner only (a command line may name private things)."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self.path, self.path / "progress"):
            folder.mkdir(mode=0o700, exist_ok=True)

    def pause(self) -> None:
        """Have the receiver leave the run alone. Raises ``RunFolderError`` where there is no such run."""
        self.require_spec()
        self.pause_path.touch(mode=0o600)

    def resume(self) -> None:
        """The opposite of ``pause``. Raises ``RunFolderError`` where there is no such run."""
        self.require_spec()
        self.pause_path.unlink(missing_ok=True)

    def read_spec(self) -> RunSpec | None:
        """Read ``run.json``; None also where it is another run's: a copied folder is not the run that it tells of."""
        spec = self._read(self.spec_path, _SPEC)
        return spec if spec is None or spec.name == self.name else None

    def require_spec(self) -> RunSpec:
        """Read ``run.json``. Raises ``RunFolderError`` where there is no such run."""
        spec = self.read_spec()
        if spec is None:
            others = ", ".join(name for name in list_runs(self.path.parent) if name != self.name) or "none"
            raise RunFolderError(f"there is no run '{self.name}' in {self.path.parent}; runs there: {others}")
        return spec

    def write_spec(self, spec: RunSpec) -> None:
        """Replace ``run.json``."""
        system.replace_file(self.spec_path, _pretty(spec), durable=True)

    def read_state(self) -> RunState | None:
        """Read ``state.json``."""
        return self._read(self.state_path, _STATE)

    def write_state(self, state: RunState) -> None:
        """Replace ``state.json``."""
        system.replace_file(self.state_path, msgspec.json.encode(state))

    def read_progress(self) -> list[Progress]:
        """Every writer's progress, in the order of their file names."""
        folder = self.path / "progress"
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208  (once a run and scrape: no Path a file)
        except OSError:
            return []
        files = (name for name in names if name.endswith(".json") and not name.startswith("."))
        found = (self._read(folder / name, _PROGRESS) for name in files)
        return [progress for progress in found if progress is not None]

    def write_progress(self, progress: Progress) -> None:
        """Replace one writer's progress file."""
        path = self.progress_path(progress.writer, progress.rank)
        system.replace_file(path, msgspec.json.encode(progress))

    def _read(self, path: Path, decoder: msgspec.json.Decoder[T]) -> T | None:
        try:
            return decoder.decode(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):  # the latter: a file that somebody left among the runs
            return None
        except (OSError, *UNDECODABLE) as error:
            raise RunFolderError(f"{path}: {error}; move the file aside to go on without it") from error


def best_progress(found: list[Progress], generation: int) -> Progress | None:
    """The progress that readers go by: rank 0 of this generation, the heartbeat before the output."""
    told = {p.writer: p for p in found if p.rank == 0 and p.generation == generation}
    heartbeat, output = told.get("heartbeat"), told.get("output")
    return combined(heartbeat, output) if heartbeat and output else heartbeat or output


def list_runs(root: Path | None = None) -> list[str]:
    """Names of all runs that have a ``run.json``, sorted."""
    names = (path.parent.name for path in (root or runs_root()).glob("*/run.json"))
    return sorted(filter(RUN_NAME.fullmatch, names))


def _pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
