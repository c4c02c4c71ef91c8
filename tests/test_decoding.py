"""Many threads may be the first to decode something: a receiver's first webhooks come over several connections."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import storm

_FIRST_TO_DECODE = """
import os, sys, threading
{imports}
said = sys.stdin.buffer.read()

def first():
    together = threading.Barrier(16)
    def work():
        together.wait()
        for _ in range(10):
            {decode}
    threads = [threading.Thread(target=work) for _ in range(16)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

sys.setswitchinterval(1e-6)
for _ in range(150):
    if not (child := os.fork()):
        first()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, "it was ended by a signal"
"""


@pytest.mark.parametrize(
    ("imports", "decode", "said"),
    [
        ("from trainwarden.web import webhook", "webhook._PAYLOAD.decode(said)", storm.payload(storm.alert("luca", 1))),
        (
            "from trainwarden.runs import folder",
            "folder._STATE.decode(said)",
            b'{"run_id":"r","generation":1,"open":true,"beat_at":1,"beat_monotonic":1,"started_at":1,"members":[]}',
        ),
    ],
    ids=["webhook", "run folder"],
)
def test_threads_that_decode_first_and_at_once_do_not_end_the_process(imports: str, decode: str, said: bytes) -> None:
    """With a decoder made by the first thread that needs it, one process in thirty died of SIGSEGV (msgspec 0.22)."""
    script = _FIRST_TO_DECODE.format(imports=imports, decode=decode)
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", script], input=said, capture_output=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_no_structure_is_decoded_by_its_type() -> None:
    """``json.decode(…, type=…)`` learns the type when it is first called, in whichever thread that is."""
    served = ("web", "runs", "checkpoints", "restart", "supervise/kept.py", "observe/record.py")
    package = Path(__file__).resolve().parents[1] / "exporter/trainwarden"
    files = [file for part in served for file in ([package / part] if "." in part else (package / part).rglob("*.py"))]
    assert [str(file) for file in files if "json.decode(" in file.read_text()] == []
