"""``python -m tests.golden`` (``make golden``) writes every golden file anew."""

import tempfile
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.golden.machine import render
from tests.nights import golden as nights
from tests.nights import recording
from tests.support.nvml import build_library
from trainwarden.stack import tools

EXPORTER = Path(__file__).parent / "exporter.prom"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        EXPORTER.write_text(render(build_library(Path(folder) / "nvml"), Path(folder)))
    nights.write(tools.locate(REPOSITORY / ".tools", print).promtool)
    for written in (EXPORTER, recording.FOLDER):
        print(f"wrote {written.relative_to(REPOSITORY)}; look at the difference before you commit it")


if __name__ == "__main__":
    main()
