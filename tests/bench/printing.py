"""A training that does nothing but print, ten times a second: ``python printing.py SECONDS``."""

import sys
import time


def main() -> None:
    """Draw the bar of steps that take a tenth of a second."""
    total = int(float(sys.argv[1]) * 10)
    began = time.monotonic()
    for step in range(1, total + 1):
        done = "█" * (10 * step // total)
        clock = f"{step // 600:02d}:{step // 10 % 60:02d}"
        bar = f"{100 * step // total:3d}%|{done:10}| {step}/{total} [{clock}<99:59, 10.00it/s, avr_loss=0.0913]"
        print(f"\rsteps: {bar}", end="", flush=True)
        time.sleep(max(0.0, began + step / 10 - time.monotonic()))


if __name__ == "__main__":
    main()
