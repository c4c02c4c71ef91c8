"""The least that a scrape could cost in Python: the same calls into the driver, as many series, the barest answer.

``python -m tests.bench.floor PORT PLAN``. PLAN is a JSON file: ``calls`` by function, and ``names``, each series' name
with its labels. No pynvml, no sensors, no HTTP beyond a status line and a length, one connection at a time.
"""

import ctypes
import json
import socket
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

_ROOM = 8192
_ANSWERED = (0, 3)  # success; not supported

_HOW: dict[str, tuple[str | int, ...]] = {
    "nvmlSystemGetDriverVersion": ("out", 96),
    "nvmlDeviceGetCount_v2": ("out",),
    "nvmlDeviceGetHandleByIndex_v2": ("index", "out"),
    "nvmlDeviceGetName": ("handle", "out", 96),
    "nvmlDeviceGetUUID": ("handle", "out", 96),
    "nvmlDeviceGetTemperature": ("handle", 0, "out"),
    "nvmlDeviceGetClockInfo": ("handle", 1, "out"),
    "nvmlDeviceGetPcieThroughput": ("handle", 1, "out"),
    "nvmlDeviceGetMigMode": ("handle", "out", "out"),
    "nvmlDeviceGetComputeRunningProcesses_v3": ("handle", "count", "out"),
    "nvmlDeviceGetFieldValues": ("handle", 1, "out"),
}
"""How a function is called where that is not ``(handle, out)``."""

Driver = ctypes.CDLL
Call = Callable[[], int]


def calls_of(driver: Driver, numbers: Mapping[str, int]) -> list[Call]:
    """Every call of one scrape, ready to be made. Raises ``RuntimeError`` where one is not answered."""
    gpus = ctypes.c_uint()
    driver.nvmlInit_v2()
    driver.nvmlDeviceGetCount_v2(ctypes.byref(gpus))
    prepared = [
        _prepare(getattr(driver, name), name, turn % gpus.value)
        for name, number in numbers.items()
        for turn in range(number)
    ]
    for call in prepared:
        if (answer := call()) not in _ANSWERED:
            raise RuntimeError(f"{call}: the driver answered {answer}; say in _HOW how it is called")
    return prepared


def _prepare(function: Any, name: str, gpu: int) -> Call:
    handle = ctypes.c_void_p(gpu + 1)  # as the fake driver has them
    count = ctypes.c_uint(64)
    given = {"handle": handle, "index": gpu, "out": ctypes.create_string_buffer(_ROOM), "count": ctypes.byref(count)}
    arguments = [given[word] if isinstance(word, str) else word for word in _HOW.get(name, ("handle", "out"))]
    return partial(function, *arguments)


def template(names: list[str]) -> str:
    """The page, with a place for every value."""
    return "".join(f"{name.replace('%', '%%')} %r\n" for name in names)


def serve(port: int, calls: list[Call], names: list[str]) -> None:
    """Answer whatever is asked, until killed."""
    page, values = template(names), tuple(float(number) for number in range(len(names)))
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                while connection.recv(65536):
                    for call in calls:
                        call()
                    body = (page % values).encode()
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def main() -> None:
    """Read the plan and serve."""
    plan = json.loads(Path(sys.argv[2]).read_bytes())
    driver = ctypes.CDLL("libnvidia-ml.so.1")
    serve(int(sys.argv[1]), calls_of(driver, plan["calls"]), plan["names"])


if __name__ == "__main__":
    main()
