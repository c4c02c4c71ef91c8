"""``python -m docs.build`` (``make docs``) writes every generated page anew."""

from pathlib import Path

from docs.build import alerts, metrics, nights, remedies

FOLDER = Path(__file__).resolve().parents[1]


def rendered() -> dict[str, str]:
    """Every generated page, by file name."""
    return {
        "alerts.md": alerts.page(),
        "metrics.md": metrics.page(),
        "nights.md": nights.page(),
        "remedies.md": remedies.page(),
    }


def main() -> None:
    """Write the files."""
    for name, text in rendered().items():
        (FOLDER / name).write_text(text)
        print(f"wrote {FOLDER / name}")


if __name__ == "__main__":
    main()
