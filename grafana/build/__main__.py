"""Write every dashboard into ``grafana/dashboards``."""

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from . import run

FOLDER = Path(__file__).parent.parent / "dashboards"


def rendered() -> dict[str, str]:
    """Every dashboard as JSON, by file name."""
    return {"run.json": _json(run.build())}


def main() -> None:
    """Write the files."""
    for name, text in rendered().items():
        (FOLDER / name).write_text(text)
        print(f"wrote {FOLDER / name}")


def _json(dashboard: Dashboard) -> str:
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(dashboard) + "\n"


if __name__ == "__main__":
    main()
