"""The demo training for those who restart the very same command: it goes on from its newest state by itself.

``python tests/bench/again.py OUTPUT_DIR STEPS_PER_EPOCH CRASH_AT_STEP``; it dies of a CUDA error once.
"""

import re
import sys
from pathlib import Path

from trainwarden.demo.__main__ import main

_STATE = re.compile(r"-(\d{6})-state$")


def command(output: Path, steps: str, crash: str) -> list[str]:
    """The demo's options, resumed by hand as its user would: the newest state that is there, unread."""
    own = ["--output_dir", str(output), "--output_name", "again", "--save_state", "--save_every_n_epochs", "1"]
    own += [
        "--max_train_epochs",
        "1000",
        "--steps_per_epoch",
        steps,
        "--step_seconds",
        "0.05",
        "--crash-at-step",
        crash,
    ]
    states = sorted(path for path in output.glob("*-state") if _STATE.search(path.name))
    if not states:
        return own
    found = _STATE.search(states[-1].name)
    assert found is not None
    return [*own, "--resume", str(states[-1]), "--initial_epoch", str(int(found[1]) + 1)]


if __name__ == "__main__":
    sys.argv[1:] = command(Path(sys.argv[1]), *sys.argv[2:4])
    main()
