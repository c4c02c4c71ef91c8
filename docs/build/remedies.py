"""``docs/remedies.md``: the ladders of ``adapt: guide``."""

from trainwarden.advise.remedies import REMEDIES, Remedy

_PAGE = """\
# Stepping down with the guide's remedies

<!-- Written by `make docs` (docs/build); a test fails when it drifts. -->

`adapt: guide` is off unless it is asked for, in `trainwarden.yml` or at the launch:

```yaml
runs:
  luca:
    command: [accelerate, launch, train_network.py, --config_file, luca.toml]
    adapt: guide
```

```
trainwarden run luca --adapt guide -- accelerate launch train_network.py --config_file luca.toml
```

Where a generation then dies for want of memory, the next one is launched with the next remedy of the guide (§2):

{table}

A remedy whose settings are in force already is passed over, and nothing is ever raised. One rung is taken at a time,
and the rungs taken stay for the rest of the run; `trainwarden run` begins anew with the user's own settings.

**What shows a want of memory.** For VRAM: `CUDA out of memory` in the output. For RAM: the trainer's own error, or an
end by SIGKILL while the kernel counted a kill for want of memory. A run that lives is never restarted because its RAM
is full: that is an alert ([TrainwardenRunMemoryPressure](runbooks/TrainwardenRunMemoryPressure.md)), and the user's
to decide.

**The user's file is never touched.** The generation reads `adapted.<generation>.toml` in the run folder, derived from
it: comments stay, one line changes, and the first line names the remedies. An option on the command line that would
win over it is dropped from that generation's command. Relative paths in it mean the same, since trainers read them
from the working directory.

**Where it is told.** The change (`vae_batch_size: 2 → 1`) stands in the ledger beside the decision, in the evidence
bundle, and in the metric `trainwarden_run_adapted`, from which the notification has it.

**Where it ends.** At the end of a ladder, or without `adapt`, a run that ran out of memory is restarted once as it is
(a browser may have held the rest). If it runs out again before it has saved anything new, it is given up as
`out_of_memory` and a human is called. The budget of restarts counts these restarts like all others.

Gradient accumulation is left alone where a training has several processes: such a run is resumed by a count of steps,
which another accumulation would count otherwise.
"""


def page() -> str:
    """The whole page."""
    rows = ["| problem | | settings | beside |", "|---|---|---|---|", *map(_row, REMEDIES)]
    return _PAGE.format(table="\n".join(rows))


_PROBLEMS = {"memory": "RAM", "vram": "VRAM"}


def _row(remedy: Remedy) -> str:
    settings = ", ".join(f"`{key} = {str(value).lower()}`" for key, value in remedy.values.items())
    return f"| {_PROBLEMS[remedy.problem]} | {remedy.letter} | {settings} | {remedy.risk} |"
