"""What CUDA_VISIBLE_DEVICES says, and when its numbers may not be the driver's.

CUDA numbers the cards with the fastest first, the driver (NVML) by PCI bus; both agree where all cards are of one
model, or where CUDA_DEVICE_ORDER=PCI_BUS_ID has CUDA count as the driver does.
"""

from collections.abc import Sequence

from trainwarden.model import RunSpec, RunState

BY_BUS = "PCI_BUS_ID"
"""The CUDA_DEVICE_ORDER by which CUDA counts as the driver does."""
DOUBT = (
    "CUDA_VISIBLE_DEVICES names its GPUs by number, and on a machine with cards of different models CUDA may number"
    " them otherwise than the driver: they are not known, and a hang only calls a human; set"
    " CUDA_DEVICE_ORDER=PCI_BUS_ID before the training, or gpus: of the run in trainwarden.yml"
)


def visible_devices(value: str) -> list[str]:
    """The entries of one CUDA_VISIBLE_DEVICES, as CUDA reads it: up to the first negative number, and none where one
    is named twice."""
    entries: list[str] = []
    for entry in filter(None, map(str.strip, value.split(","))):
        if entry.startswith("-"):
            break
        if entry in entries:
            return []
        entries.append(entry)
    return entries


def by_number(entries: Sequence[str]) -> bool:
    """Whether any of them is a number, which means a card only together with an order; a UUID means one by itself."""
    return any(entry.isdecimal() for entry in entries)


def in_doubt(spec: RunSpec, state: RunState | None, models: Sequence[str]) -> bool:
    """Whether nobody can tell which cards the run's members name. ``models``: the machine's cards' (empty: not known).

    Cards that the user declared are the driver's, and with a single card there is nothing to mistake it for.
    """
    if spec.gpus is not None or (spec.launcher is not None and spec.launcher.on_another_machine):
        return False
    if state is None or state.gpus is None or state.gpus_by_bus or not by_number(state.gpus):
        return False
    return len(models) > 1 and (len(set(models)) > 1 or "" in models)
