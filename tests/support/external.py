"""Programs that not every machine has: a heavy test skips without them, but never in CI, which is to install them."""

import os
import shutil

import pytest

_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def need(*programs: str, root: bool = False) -> None:
    """Skip where one is missing, or where ``root`` is needed and we are not; with ``CI=true``, fail."""
    missing = [name for name in programs if shutil.which(name, path=_PATH) is None]
    reason = f"not installed: {', '.join(missing)}" if missing else "needs root" if root and os.geteuid() else ""
    if not reason:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (.ci/run installs what these tests need)")
    pytest.skip(reason)


def of_a_daemon() -> dict[str, str]:
    """The environment of a daemon that outlives a test: it finds its helpers, and is not taken for a run's process."""
    return {**{key: value for key, value in os.environ.items() if not key.startswith("XDG_")}, "PATH": _PATH}
