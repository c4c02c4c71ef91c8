"""Three commands of the user's: for systemd, for kubectl, for whatever else starts and stops programs by name.

What ``start`` starts must lead to `trainwarden exec NAME`, which knows what this launch is to run and sees how it ends.
No shell reads any of it.
"""

import subprocess
from pathlib import Path

from trainwarden.errors import RefusedError, TrainwardenError
from trainwarden.launchers.engine import Order, Status
from trainwarden.launching import CommandOptions

_LIVES, _GONE = 0, 3


class CommandEngine:
    """Implements ``launchers.engine.Engine``. A handle is name, run id and generation."""

    name = "command"
    interval = 1.0
    visible = False

    def __init__(self, options: CommandOptions) -> None:
        self._options = options

    def check(self, order: Order) -> None:
        """Ask ``probe``: an engine that does not answer would not launch."""
        self._probe(_handle(order))

    def start(self, order: Order) -> str:
        """Run ``start``. Raises ``RefusedError`` where its exit status is not 0, or something lives already."""
        handle = _handle(order)
        if self._probe(handle) == _LIVES:
            raise RefusedError(f"'{self._options.probe[0]}' says that run '{order.name}' lives already")
        self._must(self._options.start, handle)
        return handle

    def find(self, order: Order) -> str | None:
        """Where `trainwarden exec` has taken this very order, it was started."""
        taken = Path(order.output).with_name(f"taken.{order.generation}.json")
        return _handle(order) if taken.exists() else None

    def probe(self, handle: str) -> Status:
        """By the exit status of ``probe``."""
        return Status(alive=self._probe(handle) == _LIVES)

    def cgroup_names(self, handle: str) -> tuple[str, ...]:
        """The unit of systemd that a ``start`` may make for one generation (docs/launchers/command.md)."""
        name, _, generation = handle.split(" ")
        return tuple(f"trainwarden-{name}-{generation}.{kind}" for kind in ("service", "scope"))

    def stop(self, handle: str, *, kill: bool) -> None:  # noqa: ARG002
        """Run ``stop``, which its own program makes firmer; called until ``probe`` says that it is gone."""
        self._must(self._options.stop, handle)

    def carry(self, handle: str, output: Path) -> None:
        """Nothing: `trainwarden exec` writes the output."""

    # --- the commands -----------------------------------------------------------------------------------------
    def _probe(self, handle: str) -> int:
        done = self._run(self._options.probe, handle)
        if done.returncode not in (_LIVES, _GONE):
            raise TrainwardenError(f"'{self._options.probe[0]}' exited with {done.returncode}: {_said(done)}")
        return done.returncode

    def _must(self, command: list[str], handle: str) -> None:
        done = self._run(command, handle)
        if done.returncode != 0:
            raise RefusedError(f"'{command[0]}' exited with {done.returncode}: {_said(done)}")

    def _run(self, command: list[str], handle: str) -> subprocess.CompletedProcess[str]:
        name, run_id, generation = handle.split(" ")
        words = {"{name}": name, "{run_id}": run_id, "{generation}": generation}
        try:
            return subprocess.run(
                [_filled(word, words) for word in command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._options.timeout,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TrainwardenError(f"'{command[0]}' gave no answer: {error}") from error


def _filled(word: str, words: dict[str, str]) -> str:
    for placeholder, value in words.items():
        word = word.replace(placeholder, value)
    return word


def _handle(order: Order) -> str:
    return f"{order.name} {order.run_id} {order.generation}"


def _said(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of what it printed."""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[-1][:300] if lines else "it said nothing"
