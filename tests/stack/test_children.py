"""Stopping what the stack started, and nobody else."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from msgspec import structs

from trainwarden.model import Identity
from trainwarden.runs import identity
from trainwarden.stack import children


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def of(child: "subprocess.Popen[bytes]") -> Identity:
    found = identity.identify(child.pid)
    assert found is not None
    return found


def test_who_was_started_is_stopped(child: "subprocess.Popen[bytes]") -> None:
    children.stop([of(child)])
    assert child.wait(10) < 0


@pytest.mark.parametrize("other", [{"boot_id": "another"}, {"pid_namespace": 1}], ids=["boot", "namespace"])
def test_who_only_has_the_numbers_of_another_boot_or_container_is_not(
    child: "subprocess.Popen[bytes]", other: dict[str, object]
) -> None:
    children.stop([structs.replace(of(child), **other)], seconds=0.1)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.5)
