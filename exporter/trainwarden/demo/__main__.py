"""``python -m trainwarden.demo``: begin the demo training."""

import logging
import os
import sys

from rich.console import Console
from rich.logging import RichHandler

from trainwarden.demo.options import parse


def main() -> None:
    """Read the options, then import what trains: `--help` and a missing library need none of it."""
    options = parse(sys.argv[1:])
    _use_one_thread()
    try:
        from trainwarden.demo.training import train
    except ModuleNotFoundError as error:
        sys.exit(
            f"the demo training needs the library '{error.name}'; install it with: pip install 'trainwarden[demo]'"
        )
    _log_as_kohya_does()
    train(options)


def _use_one_thread() -> None:
    """With several BLAS threads the order of additions, and so the last bits of a weight, may differ between runs."""
    for library in ("OPENBLAS", "MKL", "OMP", "BLIS", "VECLIB_MAXIMUM"):
        os.environ[f"{library}_NUM_THREADS"] = "1"


def _log_as_kohya_does() -> None:
    handler = RichHandler(console=Console(stderr=True))
    logging.basicConfig(level=logging.INFO, format="%(message)s", datefmt="%Y-%m-%d %H:%M:%S", handlers=[handler])


if __name__ == "__main__":
    main()
