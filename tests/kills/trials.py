"""Kill saves, and compare what the readers say with the truth: ``python -m tests.kills.trials KIND FOLDER MANY SEED``.

A process makes the saver once. Each trial is a child of it that saves and ends; it is killed (SIGKILL) at a random
moment of its save. The truth is a comparison, byte by byte, with saves that nobody disturbed. Half of the trials save
over an older checkpoint of the same name. Ends when MANY kills fell into their save. Prints one line of JSON a trial.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from tests.kills.savers import SAVERS, Saver

OLD, NEW = 1, 2
HIT, MISS = 1.05, 0.9
"""Stretch the window of kills, so that its last third lies behind the save however fast the disk is now."""
Content = dict[str, bytes]


def content(folder: Path) -> Content:
    """Every file below that has a name of its own (a library's scratch file ends with its process)."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".tmp"))
    return {
        str(path.relative_to(folder)): _random(path)
        if "random" in path.name or "rng" in path.name
        else path.read_bytes()
        for path in files
    }


def _random(path: Path) -> bytes:
    """torch's state in a file of random states, as torch reads it: its bytes differ from save to save."""
    import torch

    try:
        read = torch.load(path, weights_only=False)
    except Exception as error:
        return repr(error).encode()
    return bytes(read.get("torch_manual_seed", read.get("cpu")).numpy())


def clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def undisturbed(saver: Saver, folder: Path, number: int) -> tuple[Content, float]:
    """What a whole save leaves, and how long it takes, s."""
    clear(folder)
    _, seconds = in_child(saver, number, after=None)
    return content(folder), seconds


def in_child(saver: Saver, number: int, after: float | None) -> tuple[bool, float]:
    """Save in a child, killed so many seconds after it began: whether it was not done yet, and how long it took."""
    ready, begun = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            save = saver.prepare(number)
            os.write(begun, b"x")
            save()
        finally:
            os._exit(0)
    os.close(begun)
    os.read(ready, 1)
    os.close(ready)
    begin = time.monotonic()
    if after is not None:
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
    killed = os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    return killed, time.monotonic() - begin


def said_valid(saver: Saver, folder: Path) -> tuple[bool, list[str]]:
    """Whether a checkpoint is called valid, and every fault that is named."""
    faults = [saver.recipe.verify(found) for found in saver.recipe.find(folder, saver.output_name)]
    return "" in faults, [fault for fault in faults if fault]


def trial(saver: Saver, folder: Path, truths: list[Content], seconds: float, over: bool) -> dict[str, object]:
    clear(folder)
    if over:
        in_child(saver, OLD, after=None)
    killed, _ = in_child(saver, NEW, after=seconds)
    left = content(folder)
    valid, faults = said_valid(saver, folder)
    return {"killed": killed, "over": over, "whole": left in truths, "valid": valid, "faults": faults}


def main(kind: str, name: str, many: int, seed: int) -> None:
    folder, dice = Path(name) / "out", random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    saver = SAVERS[kind](folder)
    old, _ = undisturbed(saver, folder, OLD)
    new, seconds = undisturbed(saver, folder, NEW)
    assert old != new and old.keys() == new.keys(), "the two saves must differ, or a mix could not be told"
    assert said_valid(saver, folder) == (True, []), said_valid(saver, folder)
    inside, number = 0, 0
    while inside < many:
        result = trial(saver, folder, [old, new], dice.uniform(0, seconds), over=number % 2 == 1)
        print(json.dumps(result), flush=True)
        number += 1
        inside += bool(result["killed"])
        seconds *= HIT if result["killed"] else MISS


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
