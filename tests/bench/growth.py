"""What a scrape costs with more runs, and with more files in a checkpoint folder. No GPU: that part stays the same."""

import time
from contextlib import ExitStack
from pathlib import Path

from tests.bench import machine, scrapes
from tests.bench.bench import Bench
from tests.bench.report import Part, Target, number
from tests.bench.scrapes import Exporter
from tests.golden import kohya
from tests.support.wait import wait_until

RUNS = (1, 8, 64)
FILES = 10_000
TIMES_AS_STEEP = 1.25
"""How much more a run may cost among 64 than among 8, and still be called linear."""


def run(bench: Bench) -> Part:
    """Measure both."""
    files = FILES // 10 if bench.quick else FILES
    with ExitStack() as stack:
        bench.say(f"making {sum(RUNS)} runs, and {files:,} checkpoint files")
        states = {_named(runs): machine.state_home(bench.folder / str(runs), runs, []) for runs in RUNS}
        states["many files"] = _with_files(bench.folder / "files", files)
        exporters = [stack.enter_context(scrapes.ours(state, bench.folder, name)) for name, state in states.items()]
        bench.say("waiting until every checkpoint was looked at once")
        for exporter in exporters:
            wait_until(lambda one=exporter: _settled(one), 120, f"{exporter.name}: checkpoints are known")
        bench.say("scraping each in turn")
        times = scrapes.latencies(exporters, 10 if bench.quick else 100, gzip=False)
        rows = [_row(exporter, times[exporter.name].p50, files) for exporter in exporters]
    return Part("More runs, more files", ("", "scrape p50, ms", "series", "RSS, MB"), rows, _targets(times, files))


def _named(runs: int) -> str:
    return "1 run" if runs == 1 else f"{runs} runs"


def _with_files(folder: Path, files: int) -> dict[str, str]:
    """One run like the others, with so many saved weights besides in its folder."""
    state = machine.state_home(folder, 1, [])
    models = folder / "models" / "run-00"
    kohya.save(folder / "one", "run-00", None, time.time() - 3600)
    weights = (folder / "one" / "run-00.safetensors").read_bytes()
    for number_ in range(files):
        (models / f"run-00-{1000 + number_:06d}.safetensors").write_bytes(weights)
    return state


def _settled(exporter: Exporter) -> bool:
    """Whether the checkpoints are known, and the last scrape was not held up by reading them for the first time."""
    began = time.monotonic()
    body = scrapes.body(exporter)
    return b"trainwarden_checkpoints{" in body and time.monotonic() - began < 1.0


def _row(exporter: Exporter, p50: float, files: int) -> tuple[str, ...]:
    name = f"1 run, {files:,} files" if exporter.name == "many files" else exporter.name
    series, resident = scrapes.series([exporter])[exporter.name], scrapes.resident([exporter])[exporter.name]
    return (name, number(p50 * 1e3), number(series), number(resident / 1024**2))


def _targets(times: dict[str, scrapes.Times], files: int) -> list[Target]:
    few, some, many = (times[_named(runs)].p50 for runs in RUNS)
    flat, steep = (some - few) / (RUNS[1] - RUNS[0]), (many - some) / (RUNS[2] - RUNS[1])
    added = times["many files"].p50 - few
    return [
        Target("a run's cost among 64, against among 8", steep / flat, TIMES_AS_STEEP, "×"),
        Target(f"{files:,} checkpoint files add to a scrape", added * 1e3, 10 * files / FILES, "ms"),
    ]
