"""The names that are the interface between exporter, receiver, rules and dashboards.

Every metric family stands here once, with its help text and labels: the collectors build their families from
this table, and the tests hold rules, dashboards and docs against it. Timestamps are exported, ages are
computed in PromQL.
"""

import re
from typing import NamedTuple

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A run's name is a folder name, a label value and a word on the command line."""
RUN_NAME_RULE = "a run's name is at most 64 letters, digits, '.', '_' and '-', beginning with a letter or digit"

RUN_ENVIRONMENT = "TRAINWARDEN_RUN"
"""Environment variable that every member of a run carries: the run's name."""
RUN_ID_ENVIRONMENT = "TRAINWARDEN_RUN_ID"
"""Environment variable that every member of a run carries: ``RunSpec.run_id``. Membership is read from it."""
GENERATION_ENVIRONMENT = "TRAINWARDEN_GENERATION"
"""Environment variable that every member of a run carries: the number of its launch."""

EXPORTER_PORT = 9877
RECEIVER_PORT = 9878

RESTART_ALERTS = {"TrainwardenRunHung": "hung", "TrainwardenRunCrashed": "crashed"}
"""The alerts that may select a run for a restart, and the reason under which it is counted."""


class Family(NamedTuple):
    """One metric family."""

    name: str
    kind: str
    """``gauge``, ``counter`` or ``histogram``. A counter's name ends in ``_total``."""
    help: str
    labels: tuple[str, ...] = ()


BUILD_INFO = Family("trainwarden_build_info", "gauge", "The version of trainwarden that runs; always 1.", ("version",))

# --- host -------------------------------------------------------------------------------------------------
HOST_MEMORY_TOTAL = Family("trainwarden_host_memory_total_bytes", "gauge", "RAM of the machine.")
HOST_MEMORY_AVAILABLE = Family(
    "trainwarden_host_memory_available_bytes",
    "gauge",
    "RAM that can be given to processes without swapping (MemAvailable).",
)
HOST_SWAP_TOTAL = Family("trainwarden_host_swap_total_bytes", "gauge", "Swap space of the machine.")
HOST_SWAP_USED = Family("trainwarden_host_swap_used_bytes", "gauge", "Swap space in use.")
HOST_SWAP_IN = Family("trainwarden_host_swap_in_bytes_total", "counter", "Bytes read back from swap.")
HOST_SWAP_OUT = Family("trainwarden_host_swap_out_bytes_total", "counter", "Bytes written to swap.")
HOST_PRESSURE_WAITING = Family(
    "trainwarden_host_memory_pressure_waiting_seconds_total",
    "counter",
    "Time in which at least one task waited for memory (PSI, some).",
)
HOST_PRESSURE_STALLED = Family(
    "trainwarden_host_memory_pressure_stalled_seconds_total",
    "counter",
    "Time in which every task waited for memory (PSI, full).",
)
HOST_OOM_KILLS = Family("trainwarden_host_oom_kills_total", "counter", "Processes that the kernel killed for memory.")
HOST_INFO = Family(
    "trainwarden_host_info",
    "gauge",
    "What the machine runs on (platform: linux, wsl2); always 1.",
    ("platform", "kernel"),
)
HOST_LOAD = Family("trainwarden_host_load", "gauge", "Load average over 1, 5 and 15 minutes.", ("window",))
HOST_CPUS = Family("trainwarden_host_cpus", "gauge", "CPUs that are online.")

# --- gpu --------------------------------------------------------------------------------------------------
_GPU = ("gpu", "uuid")
GPUS = Family("trainwarden_gpus", "gauge", "GPUs that the driver lists; 0 on a machine without one.")
GPUS_EXPECTED = Family(
    "trainwarden_gpus_expected", "gauge", "GPUs that should be there: as configured, else the most that were ever seen."
)
GPU_INFO = Family(
    "trainwarden_gpu_info",
    "gauge",
    "What each GPU is; always 1.",
    (*_GPU, "name", "driver_version", "pci_bus_id"),
)
GPU_UP = Family(
    "trainwarden_gpu_up", "gauge", "Whether the driver answered for this GPU (1), or it is lost or hangs (0).", _GPU
)
GPU_UTILIZATION = Family("trainwarden_gpu_utilization_ratio", "gauge", "Share of time in which a kernel ran.", _GPU)
GPU_MEMORY_TOTAL = Family("trainwarden_gpu_memory_total_bytes", "gauge", "GPU memory of the card.", _GPU)
GPU_MEMORY_USED = Family("trainwarden_gpu_memory_used_bytes", "gauge", "GPU memory in use by anybody.", _GPU)
GPU_MEMORY_FREE = Family("trainwarden_gpu_memory_free_bytes", "gauge", "GPU memory not in use.", _GPU)
GPU_TEMPERATURE = Family("trainwarden_gpu_temperature_celsius", "gauge", "Temperature by sensor.", (*_GPU, "sensor"))
GPU_POWER = Family("trainwarden_gpu_power_watts", "gauge", "Power drawn.", _GPU)
GPU_POWER_LIMIT = Family("trainwarden_gpu_power_limit_watts", "gauge", "Power limit in force.", _GPU)
GPU_ENERGY = Family("trainwarden_gpu_energy_joules_total", "counter", "Energy drawn since the driver was loaded.", _GPU)
GPU_CLOCK = Family("trainwarden_gpu_clock_hertz", "gauge", "Clock by domain: sm, memory.", (*_GPU, "clock"))
GPU_PERFORMANCE_STATE = Family(
    "trainwarden_gpu_performance_state", "gauge", "Performance state: 0 is the fastest, 15 the slowest.", _GPU
)
GPU_THROTTLE_ACTIVE = Family(
    "trainwarden_gpu_throttle_active",
    "gauge",
    "Whether the clocks are held down for this reason (1) or not (0).",
    (*_GPU, "reason"),
)
GPU_THROTTLE_SECONDS = Family(
    "trainwarden_gpu_throttle_seconds_total",
    "counter",
    "Time for which the clocks were held down, by reason.",
    (*_GPU, "reason"),
)
GPU_FAN = Family("trainwarden_gpu_fan_speed_ratio", "gauge", "Fan speed as a share of its maximum.", _GPU)
GPU_PCIE = Family(
    "trainwarden_gpu_pcie_bytes_per_second",
    "gauge",
    "PCIe traffic by direction: receive, transmit. Only with --collector.gpu.pcie: it costs 40 ms a GPU.",
    (*_GPU, "direction"),
)
GPU_XID_ERRORS = Family(
    "trainwarden_gpu_xid_errors_total", "counter", "XID errors that the driver reported, by number.", (*_GPU, "xid")
)
GPU_XID_LAST = Family(
    "trainwarden_gpu_xid_last_timestamp_seconds", "gauge", "When the driver last reported this XID.", (*_GPU, "xid")
)
GPU_PROCESSES = Family(
    "trainwarden_gpu_processes", "gauge", "Compute processes on the GPU, where the driver tells.", _GPU
)
GPU_PROCESS_MEMORY = Family(
    "trainwarden_gpu_process_memory_bytes",
    "gauge",
    "GPU memory of each run's processes, where the driver tells; an empty run is everybody else's.",
    (*_GPU, "run"),
)
GPU_PID_MEMORY = Family(
    "trainwarden_gpu_pid_memory_bytes",
    "gauge",
    "GPU memory by process. Only with --collector.gpu.pids: pids come and go.",
    (*_GPU, "run", "pid"),
)
MIG_INFO = Family(
    "trainwarden_gpu_mig_info", "gauge", "What each MIG device is; always 1.", (*_GPU, "mig_uuid", "profile")
)
MIG_MEMORY_TOTAL = Family(
    "trainwarden_gpu_mig_memory_total_bytes", "gauge", "Memory of the MIG device.", (*_GPU, "mig_uuid")
)
MIG_MEMORY_USED = Family(
    "trainwarden_gpu_mig_memory_used_bytes", "gauge", "Memory in use on the MIG device.", (*_GPU, "mig_uuid")
)

# --- run --------------------------------------------------------------------------------------------------
_RUN = ("run",)
_RUN_GENERATION = ("run", "generation")
RUN_INFO = Family(
    "trainwarden_run_info",
    "gauge",
    "What each run is; always 1.",
    ("run", "generation", "recipe", "framework", "profile", "pid_source"),
)
RUN_UP = Family("trainwarden_run_up", "gauge", "Whether the run's training process lives.", _RUN)
RUN_PHASE = Family(
    "trainwarden_run_phase",
    "gauge",
    "1 for the phase that the run is in, 0 for the others.",
    ("run", "phase"),
)
RUN_PHASE_START = Family(
    "trainwarden_run_phase_start_timestamp_seconds", "gauge", "When the run entered its phase.", _RUN
)
RUN_START = Family(
    "trainwarden_run_start_timestamp_seconds",
    "gauge",
    "When the current generation was launched.",
    _RUN_GENERATION,
)
RUN_BEAT = Family(
    "trainwarden_run_beat_timestamp_seconds", "gauge", "When the run's supervisor last wrote its state.", _RUN
)
RUN_STEP = Family("trainwarden_run_step", "gauge", "The run's step; goes back at a resume.", _RUN)
RUN_MAX_STEPS = Family("trainwarden_run_max_steps", "gauge", "Steps that the run is to take.", _RUN)
RUN_EPOCH = Family("trainwarden_run_epoch", "gauge", "The epoch that the run is in, from 1.", _RUN)
RUN_MAX_EPOCHS = Family("trainwarden_run_max_epochs", "gauge", "Epochs that the run is to take.", _RUN)
RUN_LOSS = Family("trainwarden_run_loss", "gauge", "The loss as the trainer last printed it.", _RUN)
RUN_STEPS_DONE = Family(
    "trainwarden_run_steps_total", "counter", "Steps seen since the launch of the current generation.", _RUN
)
RUN_LAST_STEP = Family("trainwarden_run_last_step_timestamp_seconds", "gauge", "When the run last took a step.", _RUN)
RUN_STEP_DURATION = Family(
    "trainwarden_run_step_duration_seconds", "histogram", "How long steps took, timed as they appeared.", _RUN
)
RUN_STEP_MEDIAN = Family(
    "trainwarden_run_step_duration_median_seconds",
    "gauge",
    "The run's own median step of this generation.",
    _RUN,
)
RUN_GPU = Family("trainwarden_run_gpu", "gauge", "The GPUs that the run uses; always 1.", ("run", "gpu", "uuid"))
RUN_FOREIGN_PROCESSES = Family(
    "trainwarden_run_gpu_foreign_processes",
    "gauge",
    "Processes on the run's GPU that belong to no member of it, where the driver tells.",
    ("run", "gpu", "uuid"),
)
RUN_MEMBERS = Family("trainwarden_run_members", "gauge", "Processes of the run that live.", _RUN)
RUN_MEMORY = Family("trainwarden_run_resident_memory_bytes", "gauge", "Resident memory of all members.", _RUN)
RUN_CPU = Family("trainwarden_run_cpu_seconds_total", "counter", "CPU time of all members.", _RUN)
RUN_THREADS = Family("trainwarden_run_threads", "gauge", "Threads of all members.", _RUN)
RUN_IO = Family(
    "trainwarden_run_io_bytes_total",
    "counter",
    "Bytes that all members moved, through calls and at the storage: a sign of life, for what does both counts twice.",
    _RUN,
)
RUN_ERRORS = Family(
    "trainwarden_run_errors_total", "counter", "Errors seen in the run's output, by kind.", ("run", "kind")
)
RUN_NONFINITE_LOSSES = Family(
    "trainwarden_run_nonfinite_losses_total",
    "counter",
    "Steps whose loss was NaN or infinite, over all generations.",
    _RUN,
)
RUN_PROGRESS_TIME = Family(
    "trainwarden_run_progress_timestamp_seconds",
    "gauge",
    "When each writer of progress last had something to read or to say.",
    ("run", "writer"),
)
RUN_SAMPLE_IMAGES = Family("trainwarden_run_sample_images", "gauge", "Sample images that the run has on disk.", _RUN)
RUN_EXIT_CODE = Family(
    "trainwarden_run_exit_code",
    "gauge",
    "Exit code of the generation that ended; 128 + the signal's number for a signal.",
    _RUN,
)
RUN_SETTING = Family(
    "trainwarden_run_setting",
    "gauge",
    "Settings of the trainer that the guide speaks of, as they were at the first launch; a switch is 0 or 1.",
    ("run", "setting"),
)
RUN_RESUMABLE = Family(
    "trainwarden_run_resumable", "gauge", "Whether the run could be resumed exactly if it died.", _RUN
)

# --- checkpoints ------------------------------------------------------------------------------------------
CHECKPOINTS = Family("trainwarden_checkpoints", "gauge", "Checkpoints of the run on disk.", _RUN)
CHECKPOINTS_VALID = Family(
    "trainwarden_checkpoints_valid", "gauge", "Checkpoints that were read and found whole.", _RUN
)
CHECKPOINT_LAST = Family(
    "trainwarden_checkpoint_last_timestamp_seconds", "gauge", "When the newest checkpoint was written.", _RUN
)
CHECKPOINT_LAST_VALID_TIME = Family(
    "trainwarden_checkpoint_last_valid_timestamp_seconds",
    "gauge",
    "When the newest whole checkpoint was written.",
    _RUN,
)
CHECKPOINT_LAST_VALID = Family(
    "trainwarden_checkpoint_last_valid",
    "gauge",
    "Whether the newest settled checkpoint is whole (1) or damaged (0).",
    _RUN,
)
CHECKPOINT_LAST_SIZE = Family("trainwarden_checkpoint_last_size_bytes", "gauge", "Size of the newest checkpoint.", _RUN)
CHECKPOINT_LAST_EPOCH = Family("trainwarden_checkpoint_last_epoch", "gauge", "Epoch of the newest checkpoint.", _RUN)
CHECKPOINT_LAST_STEP = Family("trainwarden_checkpoint_last_step", "gauge", "Step of the newest checkpoint.", _RUN)
CHECKPOINT_SAVES = Family(
    "trainwarden_checkpoint_saves_total", "counter", "Saves that the trainer began, in the current generation.", _RUN
)
CHECKPOINT_SAVE_DURATION = Family(
    "trainwarden_checkpoint_save_duration_seconds", "gauge", "How long the last save held the training up.", _RUN
)
CHECKPOINT_DISK_SIZE = Family(
    "trainwarden_checkpoint_filesystem_size_bytes", "gauge", "Size of the file system that the run saves to.", _RUN
)
CHECKPOINT_DISK_FREE = Family(
    "trainwarden_checkpoint_filesystem_available_bytes", "gauge", "Space left there for an ordinary user.", _RUN
)
CHECKPOINT_INODES = Family(
    "trainwarden_checkpoint_filesystem_inodes", "gauge", "Inodes of that file system, where it has a limit.", _RUN
)
CHECKPOINT_INODES_FREE = Family(
    "trainwarden_checkpoint_filesystem_available_inodes", "gauge", "Inodes left there for an ordinary user.", _RUN
)
CHECKPOINT_FOLDER_UP = Family(
    "trainwarden_checkpoint_folder_up", "gauge", "Whether the run's checkpoint folder could be listed.", _RUN
)

# --- thresholds and the exporter itself -------------------------------------------------------------------
THRESHOLD = Family("trainwarden_threshold", "gauge", "The machine's thresholds in force.", ("signal", "level"))
RUN_THRESHOLD = Family(
    "trainwarden_run_threshold", "gauge", "Each run's thresholds in force.", ("run", "signal", "level")
)
COLLECTOR_SUCCESS = Family(
    "trainwarden_collector_success",
    "gauge",
    "Whether the collector's last reading succeeded.",
    ("collector",),
)
COLLECTOR_DURATION = Family(
    "trainwarden_collector_duration_seconds",
    "gauge",
    "How long the collector's last reading took.",
    ("collector",),
)
COLLECTOR_TIMEOUTS = Family(
    "trainwarden_collector_timeouts_total",
    "counter",
    "Readings that did not come back within the collector's deadline.",
    ("collector",),
)
COLLECTOR_LAST_SUCCESS = Family(
    "trainwarden_collector_last_success_timestamp_seconds",
    "gauge",
    "When the collector last succeeded.",
    ("collector",),
)

EXPORTER_FAMILIES = tuple(value for name, value in list(globals().items()) if isinstance(value, Family))

# --- what a process itself costs, under the names that every Prometheus client gives it ---------------------
PROCESS_RESIDENT_MEMORY = Family("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.")
PROCESS_CPU = Family("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.")
PROCESS_THREADS = Family("process_threads", "gauge", "Threads of this process.")
PROCESS_OPEN_FDS = Family("process_open_fds", "gauge", "Number of open file descriptors.")
PROCESS_MAX_FDS = Family("process_max_fds", "gauge", "Maximum number of open file descriptors.")
PROCESS_START = Family("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.")
HTTP_REQUESTS = Family("trainwarden_http_requests_total", "counter", "Requests answered, by status code.", ("code",))

PROCESS_FAMILIES = tuple(
    value for name, value in list(globals().items()) if isinstance(value, Family) and value not in EXPORTER_FAMILIES
)

# --- the receiver's own -----------------------------------------------------------------------------------
ALERTS_RECEIVED = Family(
    "trainwarden_alerts_received_total", "counter", "Alerts received, by what became of them.", ("outcome",)
)
RESTART_STATE = Family(
    "trainwarden_restart_state",
    "gauge",
    "1 for the state that the run's restart is in, 0 for the others.",
    ("run", "state"),
)
RESTARTS = Family("trainwarden_run_restarts_total", "counter", "Restarts launched, by reason.", ("run", "reason"))
RECOVERIES = Family("trainwarden_run_recoveries_total", "counter", "Restarts that were seen to train on.", _RUN)
RESTART_HOLDS = Family(
    "trainwarden_run_restart_holds_total",
    "counter",
    "Decisions not to act now, by reason.",
    ("run", "reason"),
)
RESTART_HOLD = Family(
    "trainwarden_run_restart_hold", "gauge", "Why the run is left alone for now: 1 while it is.", ("run", "reason")
)
RESTART_BUDGET = Family(
    "trainwarden_run_restart_budget_remaining", "gauge", "Restarts left before a human is called.", _RUN
)
RESTART_GENERATION = Family(
    "trainwarden_run_restart_generation", "gauge", "The launch that the run's newest restart makes, or made.", _RUN
)
RUN_ADAPTED = Family(
    "trainwarden_run_adapted",
    "gauge",
    "1 for each launch by which a restart of the run took one of the guide's remedies, with what it changed.",
    ("run", "generation", "remedy", "changes"),
)
NEEDS_HUMAN = Family(
    "trainwarden_run_needs_human",
    "gauge",
    "1 while the receiver cannot help the run and a human must, by reason; 0 for what once was one.",
    ("run", "reason"),
)
RECOVERY_TIME = Family(
    "trainwarden_run_recovery_timestamp_seconds",
    "gauge",
    "When a restart was last seen to train on, by its launch.",
    _RUN_GENERATION,
)
RECOVERY_STEP = Family(
    "trainwarden_run_recovery_step", "gauge", "The step that this restart resumed from.", _RUN_GENERATION
)
RECOVERY_STEPS_LOST = Family(
    "trainwarden_run_recovery_steps_lost", "gauge", "Steps that this restart had to take again.", _RUN_GENERATION
)
RECOVERY_TIME_LOST = Family(
    "trainwarden_run_recovery_lost_seconds",
    "gauge",
    "From the alert to the new steps of this restart.",
    _RUN_GENERATION,
)
STEPS_LOST = Family(
    "trainwarden_run_restart_steps_lost_total",
    "counter",
    "Steps between where a generation died and where the next resumed.",
    _RUN,
)

RECEIVER_FAMILIES = tuple(
    value
    for name, value in list(globals().items())
    if isinstance(value, Family) and value not in (*EXPORTER_FAMILIES, *PROCESS_FAMILIES)
)
