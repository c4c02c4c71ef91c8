"""The links that lie at the exporter: its readings, and the thresholds among them."""

from trainwarden import names, units
from trainwarden.config import machine_thresholds
from trainwarden.doctor.finding import Finding, failed, ok, warning
from trainwarden.doctor.scene import Scene
from trainwarden.version import VERSION


def exporter(scene: Scene) -> Finding:
    """Whether the exporter answers, every sensor of it just now, and is of this version."""
    why = scene.exporter.not_ready()
    if why:
        return failed(why.removesuffix("."), f"Read its log, which names the sensor's trouble{_log(scene)}.")
    found = scene.exported
    version = next((sample.labels["version"] for sample in found.find(names.BUILD_INFO)), "")
    if version != VERSION:
        return warning(
            f"it is of version {version}, and this command of {VERSION}",
            "Start it again by this version: trainwarden down && trainwarden up --detach",
        )
    runs = len(list(found.find(names.RUN_UP)))
    gpus = int(found.value(names.GPUS) or 0)
    return ok(f"{scene.exporter.service.shown}: fresh; {units.counted(gpus, 'GPU')}, {units.counted(runs, 'run')}")


def thresholds(scene: Scene) -> Finding:
    """Whether every threshold of the machine is exported, as the configuration here resolves it."""
    exported = {(s.labels["signal"], s.labels["level"]): s.value for s in scene.exported.find(names.THRESHOLD)}
    wanted = {key: in_force.value for key, in_force in machine_thresholds(scene.config).items()}
    if missing := sorted(wanted.keys() - exported.keys()):
        listed = ", ".join("/".join(key) for key in missing)
        return failed(
            f"not exported: {listed}; the rules that compare with them are silent",
            f"Start the exporter of this version again, and read its log{_log(scene)}.",
        )
    if different := sorted(key for key, value in wanted.items() if exported[key] != value):
        listed = ", ".join("/".join(key) for key in different)
        return warning(
            f"the exporter goes by other numbers than trainwarden.yml: {listed}",
            "Have it read the file anew: trainwarden down && trainwarden up --detach (or docker compose restart)",
        )
    of_runs = len(list(scene.exported.find(names.RUN_THRESHOLD)))
    return ok(f"{len(exported)} of the machine, {of_runs} of runs (trainwarden thresholds)")


def _log(scene: Scene) -> str:
    return f" ({scene.log('exporter')})" if scene.in_stack else ""
