"""The GPUs, asked of NVIDIA's driver through NVML.

No driver is a clean empty reading; a driver that answers wrongly is a fault; a card that was there and is lost stays
visible as ``gpu_up 0``, and so does one whose call hangs; a field that this driver does not support stays absent.
"""

from trainwarden.collectors.gpu.driver import Driver, DriverError
from trainwarden.collectors.gpu.families import families
from trainwarden.collectors.gpu.reading import Gpu, GpusReading, Mig, Process, Xid
from trainwarden.collectors.gpu.sensor import Gpus, Look

__all__ = ["Driver", "DriverError", "Gpu", "Gpus", "GpusReading", "Look", "Mig", "Process", "Xid", "families"]
