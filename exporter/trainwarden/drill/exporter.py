"""The exporter of a drill: ``python -m trainwarden.drill.exporter CONFIG READINGS HOST:PORT``.

The product's own in everything but three sensors: GPU, RAM and the room on the disk are read from the drill's file.
"""

import sys
from pathlib import Path

from trainwarden import config as configuration
from trainwarden.collectors.machine import Machine
from trainwarden.drill.simulated import SimulatedGpus, disk_reader, host_reader
from trainwarden.runs.folder import runs_root
from trainwarden.web import exposition


def main(config_file: str, readings: str, listen: str) -> None:
    """Answer until SIGTERM."""
    config = configuration.load(Path(config_file))
    path = Path(readings)
    gpus, read_host, read_disk = SimulatedGpus(path), host_reader(path), disk_reader(path)
    machine = Machine(config, runs_root(), gpus=gpus, read_host=read_host, read_disk=read_disk)
    exposition.serve(config, [listen], machine)


if __name__ == "__main__":
    main(*sys.argv[1:])
