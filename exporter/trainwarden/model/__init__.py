"""The nouns that several rooms share: what a run folder holds, and how a run is spoken of.

The files of a run folder are JSON of these structures. Times are Unix seconds unless a name says otherwise;
durations are seconds; sizes are bytes. Unknown fields are ignored on reading, so that an older reader
understands a newer writer; the parts that a user writes (``Limits``, ``Budget``) forbid them.

Every ``msgspec.json.Decoder`` is made at import, and none by a thread: two threads that decode a structure for the
first time at once end the process with SIGSEGV (msgspec 0.22).
"""

from trainwarden.model.checkpoint import Checkpoint, Verdict
from trainwarden.model.progress import STEP_BUCKETS, Progress, StepDurations
from trainwarden.model.spec import Budget, Limits, ResumeTemplate, RunSpec
from trainwarden.model.state import Ended, Member, Resume, RunState, StepDown
from trainwarden.model.words import UNDECODABLE, ErrorKind, Identity, Outcome, Phase, Seconds

__all__ = [
    "STEP_BUCKETS",
    "UNDECODABLE",
    "Budget",
    "Checkpoint",
    "Ended",
    "ErrorKind",
    "Identity",
    "Limits",
    "Member",
    "Outcome",
    "Phase",
    "Progress",
    "Resume",
    "ResumeTemplate",
    "RunSpec",
    "RunState",
    "Seconds",
    "StepDown",
    "StepDurations",
    "Verdict",
]
