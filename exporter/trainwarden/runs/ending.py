"""How a generation ended. A pure function of what is known: only a crash may be followed by a restart."""

import signal as signals

from trainwarden.model import Ended, Outcome

HAND_SIGNALS = frozenset({signals.SIGHUP, signals.SIGINT, signals.SIGTERM})
"""Somebody wanted it to end: with SIGHUP by closing its terminal."""
_BY_HAND = {signals.SIGINT, signals.SIGTERM}
"""Signals that a person sends to stop a program. Nobody restarts what a person stopped."""


def classify(
    *,
    exit_code: int | None,
    signal: int | None,
    at: float,
    stop_by: str = "",
    keeper_died: bool = False,
    named_signal: int | None = None,
    oom_killed: bool = False,
) -> Ended:
    """Classify the end of a generation at ``at`` (Unix seconds).

    ``exit_code`` and ``signal`` are what the keeper reaped (one of them, or neither where that is unknown);
    ``stop_by`` is who asked trainwarden for a stop (``user``, ``receiver`` or empty); ``named_signal`` is the signal
    that a launcher names in its output, while its own exit status says only 1 (``faults.named_signal``);
    ``oom_killed`` says whether the kernel killed for want of memory while the generation ran.
    """
    outcome, reason = _judge(exit_code, signal, stop_by, keeper_died, named_signal)
    taken = _signal_of(exit_code, signal, named_signal)
    for_memory = oom_killed and outcome is Outcome.CRASHED and taken is not None and taken[0] == signals.SIGKILL
    if for_memory:
        reason = f"{reason} The kernel killed for want of memory meanwhile."
    return Ended(outcome=outcome, at=at, exit_code=exit_code, signal=signal, reason=reason, for_memory=for_memory)


_ASKED = {
    "user": (Outcome.STOPPED_BY_USER, "The user had trainwarden stop the training."),
    "receiver": (Outcome.STOPPED_FOR_RESTART, "The receiver had the training stopped, to restart it."),
}


def _judge(
    exit_code: int | None, signal: int | None, stop_by: str, keeper_died: bool, named: int | None
) -> tuple[Outcome, str]:
    # A stop comes before exit status 0: a trainer that saves and exits cleanly on SIGTERM has not finished.
    if stop_by in _ASKED:
        return _ASKED[stop_by]
    if keeper_died:
        return Outcome.CRASHED, "The keeper died and took the training's terminal with it; the exit status is unknown."
    if exit_code == 0:
        return Outcome.FINISHED, "The training exited with status 0."
    if taken := _signal_of(exit_code, signal, named):
        return _judge_signal(*taken)
    status = "is gone; the exit status is unknown" if exit_code is None else f"exited with status {exit_code}"
    return Outcome.CRASHED, f"The training {status}."


def _signal_of(exit_code: int | None, signal: int | None, named: int | None) -> tuple[int, str] | None:
    """The signal that ended the training, and where that is known from."""
    if signal is not None:
        return signal, "ended the training"
    if named is not None:
        return named, "ended a process of the training, says its launcher"
    # Shells, and launchers that behave like one, exit with 128 + the signal's number.
    if exit_code is not None and 128 < exit_code <= 128 + max(signals.valid_signals()):
        return exit_code - 128, f"ended the training, says exit status {exit_code}"
    return None


def _judge_signal(number: int, how: str) -> tuple[Outcome, str]:
    name = signals.Signals(number).name if number in set(signals.Signals) else f"signal {number}"
    if number in _BY_HAND:
        return Outcome.STOPPED_BY_USER, f"{name} {how}; trainwarden did not send it: stopped by hand."
    if number == signals.SIGHUP:
        return Outcome.STOPPED_BY_USER, f"SIGHUP {how}: its terminal or session was closed by hand."
    return Outcome.CRASHED, f"{name} {how}."
