"""``python -m tests.golden`` (``make golden``) writes every golden file anew."""

import tempfile
from pathlib import Path

from tests.golden.machine import render
from tests.support.nvml import build_library

EXPORTER = Path(__file__).parent / "exporter.prom"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        EXPORTER.write_text(render(build_library(Path(folder) / "nvml"), Path(folder)))
    print(f"wrote {EXPORTER.relative_to(Path.cwd())}; look at the difference before you commit it")


if __name__ == "__main__":
    main()
