"""The links that lie at Prometheus' way in: itself, and what it scrapes."""

import math
import re
import time
from functools import partial
from urllib.parse import urlsplit

from trainwarden import units
from trainwarden.chain.asking import without_secrets
from trainwarden.chain.prometheus import Target
from trainwarden.config import machine_thresholds
from trainwarden.doctor.finding import Finding, failed, ok, warning
from trainwarden.doctor.scene import Scene

EXPORTER_JOB, RECEIVER_JOB = "trainwarden", "trainwarden-receiver"
"""As ``prometheus.yml`` names them and rules ask for them."""
STALE_SECONDS = 90.0
"""A target is scraped every 15 s or 30 s: three of the longer ones."""


def prometheus(scene: Scene) -> Finding:
    """Whether Prometheus answers, by the same clock as this machine."""
    version = scene.prometheus.version()
    (theirs,) = scene.prometheus.query("vector(time())")
    skew = theirs.value - time.time()
    # Ages are computed by Prometheus' clock from this machine's timestamps.
    if abs(skew) > machine_thresholds(scene.config)["clock_skew_seconds", "warning"].value:
        return warning(
            f"its clock is {units.duration(abs(skew))} {'ahead of' if skew > 0 else 'behind'} this machine's",
            "Set the clocks (timedatectl; under WSL2 after a sleep: sudo hwclock -s).",
        )
    return ok(f"{scene.prometheus.service.shown}: version {version}")


def _target(job: str, scene: Scene) -> Finding:
    """Whether Prometheus scrapes every target of the job, just now, under a machine's name without a port."""
    file = f"targets/{'exporter' if job == EXPORTER_JOB else 'receiver'}.yml"
    targets = [target for target in scene.targets if target.job == job]
    if not targets:
        missing = failed(
            f"Prometheus has no target of the job {job}", f"Name its address in {file}, beside prometheus.yml."
        )
        return scene.bear_with(missing)
    down = [target for target in targets if target.health == "down"]
    if down:
        said = _without_url(down[0])
        return failed(
            f"Prometheus gets nothing from {without_secrets(down[0].scrape_url)}: {said}",
            f"Write the address at which Prometheus reaches it into {file}; {_here(job, scene)}.",
        )
    ports = [target.labels.get("instance", "") for target in targets if ":" in target.labels.get("instance", "")]
    if ports:
        return failed(
            f"its label instance is {ports[0]}, with a port: rules and inhibition do not find the two jobs together",
            f"Set instance to the machine's name, the same for both jobs, in {file}.",
        )
    return _fresh(targets, scene)


def _fresh(targets: list[Target], scene: Scene) -> Finding:
    age = max(target.age(time.time()) for target in targets)
    machines = ", ".join(sorted({target.labels.get("instance", "") for target in targets}))
    if age > STALE_SECONDS:
        when = f"last scraped {units.duration(age)} ago" if math.isfinite(age) else "not scraped yet"
        return scene.bear_with(
            failed(f"{machines}: {when}", "Look at Prometheus' own log: it should scrape every 15 s.")
        )
    return ok(f"{machines}: up, scraped {max(age, 0):.0f} s ago")


exporter_target = partial(_target, EXPORTER_JOB)
receiver_target = partial(_target, RECEIVER_JOB)


def same_machine(scene: Scene) -> Finding:
    """Whether each machine's exporter and receiver are called the same: rules and inhibition join by that name."""
    exporters, receivers = (
        {target.labels.get("instance", "") for target in scene.targets if target.job == job}
        for job in (EXPORTER_JOB, RECEIVER_JOB)
    )
    strangers = sorted(receivers - exporters)
    if exporters and strangers:
        return failed(
            f"the receiver is called {', '.join(strangers)} and the exporter {', '.join(sorted(exporters))}",
            "Set the same label instance in targets/exporter.yml and targets/receiver.yml.",
        )
    return ok(", ".join(sorted(receivers)))


def _without_url(target: Target) -> str:
    """Prometheus' words, of which the URL is said already."""
    return re.sub(r'^\w+ "[^"]*": ', "", target.last_error) or "not said why"


def _here(job: str, scene: Scene) -> str:
    service = scene.exporter if job == EXPORTER_JOB else scene.receiver
    return f"from this machine it answers at {urlsplit(service.service.shown).netloc}"
