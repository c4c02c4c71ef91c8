"""Which of the machine's GPUs a run uses."""

from collections.abc import Mapping

from trainwarden.collectors.base import Card
from trainwarden.collectors.runs.reading import Run
from trainwarden.runs import visible


def cards(run: Run, known: Mapping[str, Card]) -> list[tuple[str, str]]:
    """Index and UUID of each; ``known`` are the cards of this machine by UUID. Empty where it cannot be told.

    As declared, else as the members' CUDA_VISIBLE_DEVICES says, else the machine's only card. A run
    that may be on another machine has none of this one's. A card that was never read has an empty UUID.
    """
    if run.spec.launcher is not None and run.spec.launcher.on_another_machine:
        return []
    if in_doubt(run, known):
        return []  # not even those that it names by UUID: an idle part is no proof that the whole is idle
    if run.spec.gpus is not None:
        wanted = [str(index) for index in run.spec.gpus]
    elif run.state is not None and run.state.gpus is not None:
        wanted = run.state.gpus
    elif len(known) == 1:
        wanted = list(known)
    else:
        return []
    found = ((str(card.index), uuid) for uuid, card in known.items() if uuid)
    return [(index, uuid) for index, uuid in found if any(_names(entry, uuid, index) for entry in wanted)]


def in_doubt(run: Run, known: Mapping[str, Card]) -> bool:
    """Whether its members name cards by numbers that may not be the driver's (``runs.visible``)."""
    return visible.in_doubt(run.spec, run.state, [card.model for card in known.values()])


def _names(entry: str, uuid: str, index: str) -> bool:
    """Whether an entry of CUDA_VISIBLE_DEVICES (an index, or a UUID that may be cut short) means this card."""
    return entry == index or (entry.startswith("GPU-") and uuid.startswith(entry))
