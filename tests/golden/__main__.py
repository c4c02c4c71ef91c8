"""``python -m tests.golden`` (``make golden``) writes every golden file anew."""

import re
import tempfile
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.golden import status
from tests.golden.machine import render
from tests.nights import golden as nights
from tests.nights import recording
from tests.support.nvml import build_library
from trainwarden.stack import tools

EXPORTER = Path(__file__).parent / "exporter.prom"
STATUS = Path(__file__).parent / "status.txt"
STATUS_JSON = Path(__file__).parent / "status.json"
STATUS_PAGE = REPOSITORY / "docs/status.md"
EXAMPLE = re.compile(r"(?<=^```text\n).*?(?=^```)", re.MULTILINE | re.DOTALL)
"""Where the page shows it."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        library = build_library(Path(folder) / "nvml")
        EXPORTER.write_text(render(library, _made(folder, "exporter")))
        told = status.report(library, _made(folder, "status"))
    STATUS.write_text(status.as_text(told))
    STATUS_PAGE.write_text(EXAMPLE.sub(lambda _: STATUS.read_text(), STATUS_PAGE.read_text()))
    STATUS_JSON.write_text(status.as_json(told))
    nights.write(tools.locate(REPOSITORY / ".tools", print).promtool)
    for written in (EXPORTER, STATUS, STATUS_JSON, STATUS_PAGE, recording.FOLDER):
        print(f"wrote {written.relative_to(REPOSITORY)}; look at the difference before you commit it")


def _made(folder: str, name: str) -> Path:
    made = Path(folder) / name
    made.mkdir()
    return made


if __name__ == "__main__":
    main()
