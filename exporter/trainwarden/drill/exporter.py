"""The exporter of a drill: ``python -m trainwarden.drill.exporter CONFIG READINGS HOST:PORT``.

The product's own in everything but two sensors: GPU and RAM are read from the drill's file.
"""

import sys
from pathlib import Path

from trainwarden import config as configuration
from trainwarden.collectors.machine import Machine
from trainwarden.drill.simulated import SimulatedGpus, host_reader
from trainwarden.runs.folder import runs_root
from trainwarden.web import exposition


def main(config_file: str, readings: str, listen: str) -> None:
    """Answer until SIGTERM."""
    config = configuration.load(Path(config_file))
    path = Path(readings)
    machine = Machine(config, runs_root(), gpus=SimulatedGpus(path), read_host=host_reader(path))
    exposition.serve(config, [listen], machine)


if __name__ == "__main__":
    main(*sys.argv[1:])
