"""Programs that not every machine has: a heavy test skips without them, but never in CI, which is to install them."""

import os
import shutil

import pytest

_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def need(*programs: str, root: bool = False) -> None:
    """Skip where ``root`` is needed and we are not, and where a program is missing; with ``CI=true``, fail for that."""
    missing = [name for name in programs if shutil.which(name, path=_PATH) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"not installed: {', '.join(missing)} (.ci/run installs what these tests need)")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if root and os.geteuid() != 0:
        pytest.skip("needs root")


def of_a_daemon() -> dict[str, str]:
    """The environment of a daemon that outlives a test: it finds its helpers, and is not taken for a run's process."""
    return {**{key: value for key, value in os.environ.items() if not key.startswith("XDG_")}, "PATH": _PATH}
