"""A Python in a child that answers one expression at a time: for what the tests' own process must not load."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

_CHILD = """
import json, sys
exec(sys.argv[1])
for line in sys.stdin:
    try:
        said = [True, eval(line)]
    except Exception as error:
        said = [False, f"{type(error).__name__}: {error}"]
    print(json.dumps(said), flush=True)
"""


class Console:
    """The child. ``prelude`` is what it runs first (imports, say)."""

    def __init__(self, prelude: str, environment: Mapping[str, str]) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, prelude],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, expression: str, seconds: float = 20.0) -> Any:
        """What the expression says, as JSON carries it. Raises ``RuntimeError`` with what it raised."""
        self.begin(expression)
        answer = self.answer(seconds)
        assert answer is not None, f"no answer within {seconds} s: {expression}"
        return answer[0]

    def begin(self, expression: str) -> None:
        """Ask, and do not wait."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{expression}\n".encode())
        self._child.stdin.flush()

    def answer(self, seconds: float) -> tuple[Any] | None:
        """The answer to what was begun; None where it does not come within ``seconds``."""
        assert self._child.stdout is not None
        ready, _, _ = select.select([self._child.stdout], [], [], seconds)
        if not ready:
            return None
        well, said = json.loads(self._child.stdout.readline())
        if not well:
            raise RuntimeError(said)
        return (said,)

    def close(self) -> None:
        """End the child, whatever it is doing."""
        self._child.kill()
        self._child.communicate()
