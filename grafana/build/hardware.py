"""What a run costs: its own GPUs, and the machine that it runs on."""

from trainwarden import names

from . import queries as ask
from .panels import DANGER, GOOD, NOTE, PLAIN, WARNING, Face, Panel, Query, limit, lines

NO_GPU = "the run's GPUs are not known"
NO_HOST = "no reading"


def gpu() -> list[Panel]:
    """The GPUs that the run uses."""
    utilization = ask.machine(names.GPU_UTILIZATION)
    memory = f"({ask.machine(names.GPU_MEMORY_USED)} / {ask.machine(names.GPU_MEMORY_TOTAL)})"
    temperature = ask.machine(names.GPU_TEMPERATURE, sensor="gpu")
    return [
        lines(
            Face(
                301,
                "GPU utilisation",
                "The guide wants more than 95 % while training; 0-5 % without a new checkpoint is a hang.",
                "percentunit",
                NO_GPU,
                6,
                7,
            ),
            Query(ask.on_gpus_of_run(utilization), "GPU {{gpu}}"),
            limit(ask.run_threshold("gpu_utilization_ratio", "target"), "target", PLAIN),
            limit(ask.run_threshold("gpu_utilization_ratio", "idle"), "idle", DANGER),
            lowest=0,
            highest=1,
        ),
        lines(
            Face(
                302,
                "VRAM used",
                "The guide wants 90-98 % in a balanced run: below it memory lies idle, above it a step may not fit.",
                "percentunit",
                NO_GPU,
                6,
                7,
            ),
            Query(ask.on_gpus_of_run(memory), "GPU {{gpu}}"),
            limit(ask.run_threshold("gpu_memory_used_ratio", "low"), "low", NOTE),
            limit(ask.run_threshold("gpu_memory_used_ratio", "high"), "high", WARNING),
            lowest=0,
            highest=1,
        ),
        lines(
            Face(
                303,
                "GPU temperature",
                "The guide wants less than 75 °C, and calls more than 85 °C a danger.",
                "celsius",
                NO_GPU,
                6,
                7,
            ),
            Query(ask.on_gpus_of_run(temperature), "GPU {{gpu}}"),
            limit(ask.machine_threshold("gpu_temperature_celsius", "warning"), "warm", WARNING),
            limit(ask.machine_threshold("gpu_temperature_celsius", "danger"), "too hot", DANGER),
        ),
        lines(
            Face(
                304,
                "GPU power",
                "The guide sets no bound; a fall together with utilisation tells a hang from a slow step.",
                "watt",
                NO_GPU,
                6,
                7,
            ),
            Query(ask.on_gpus_of_run(ask.machine(names.GPU_POWER)), "GPU {{gpu}}"),
            lowest=0,
        ),
    ]


def machine() -> list[Panel]:
    """The machine's memory."""
    total, available = ask.machine(names.HOST_MEMORY_TOTAL), ask.machine(names.HOST_MEMORY_AVAILABLE)
    return [
        lines(
            Face(
                401,
                "RAM used",
                "The guide wants less than 70 %, advises a lower configuration above 80 %, "
                "and calls more than 85 % a danger.",
                "percentunit",
                NO_HOST,
                8,
                7,
            ),
            Query(f"1 - {available} / {total}", "machine", GOOD),
            Query(ask.share(ask.run(names.RUN_MEMORY), total), "this run", PLAIN),
            limit(ask.machine_threshold("memory_used_ratio", "warning"), "warning", NOTE),
            limit(ask.machine_threshold("memory_used_ratio", "advice"), "configure lower", WARNING),
            limit(ask.machine_threshold("memory_used_ratio", "danger"), "danger", DANGER),
            lowest=0,
            highest=1,
        ),
        lines(
            Face(
                402,
                "RAM available",
                "The guide wants more than 8 GB, and calls less than 4 GB a danger.",
                "bytes",
                NO_HOST,
                8,
                7,
            ),
            Query(available, "available", GOOD),
            limit(ask.machine_threshold("memory_available_bytes", "warning"), "warning", WARNING),
            limit(ask.machine_threshold("memory_available_bytes", "danger"), "danger", DANGER),
            lowest=0,
        ),
        lines(
            Face(
                403,
                "Swap used",
                "The guide wants less than 500 MB, and calls more than 2 GB a danger.",
                "bytes",
                NO_HOST,
                8,
                7,
            ),
            Query(ask.machine(names.HOST_SWAP_USED), "used", GOOD),
            limit(ask.machine_threshold("swap_used_bytes", "warning"), "warning", WARNING),
            limit(ask.machine_threshold("swap_used_bytes", "danger"), "danger", DANGER),
            lowest=0,
        ),
    ]
