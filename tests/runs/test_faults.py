"""Error text tells what went wrong, and what a launcher says of its child's end."""

import pytest

from trainwarden.model import ErrorKind
from trainwarden.runs.faults import named_signal, read_fault, shorten


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", ErrorKind.CUDA_OUT_OF_MEMORY),
        ("RuntimeError: CUDA out of memory", ErrorKind.CUDA_OUT_OF_MEMORY),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED", ErrorKind.CUDA_OUT_OF_MEMORY),
        ("MemoryError", ErrorKind.HOST_OUT_OF_MEMORY),
        ("OSError: [Errno 12] Cannot allocate memory", ErrorKind.HOST_OUT_OF_MEMORY),
        (
            "RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment",
            ErrorKind.CUDA_UNKNOWN,
        ),
        ("RuntimeError: CUDA error: unknown error", ErrorKind.CUDA_UNKNOWN),
        ("RuntimeError: CUDA driver error: unknown error", ErrorKind.CUDA_UNKNOWN),
        ("RuntimeError: CUDA error: an illegal memory access was encountered", ErrorKind.CUDA_ERROR),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", ErrorKind.CUDA_LIBRARY),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED", ErrorKind.CUDA_LIBRARY),
        ("RuntimeError: cuFFT error: CUFFT_INTERNAL_ERROR", ErrorKind.CUDA_LIBRARY),
        ("RuntimeError: cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR, when calling", ErrorKind.CUDA_LIBRARY),
        ("torch.distributed.DistBackendError: NCCL error in: x.cpp:1, unhandled cuda error", ErrorKind.NCCL),
        ("[E ProcessGroupNCCL.cpp:475] [Rank 2] Watchdog caught collective operation timeout: Work", ErrorKind.NCCL),
        ("OSError: [Errno 28] No space left on device", ErrorKind.DISK_FULL),
        ("RuntimeError: [enforce fail at inline_container.cc:603] . PytorchStreamWriter failed", ErrorKind.DISK_FULL),
        ("Killed", ErrorKind.KILLED),
        ("./train.sh: line 7: 4711 Segmentation fault      (core dumped) python train.py", ErrorKind.KILLED),
        ("bash: line 1: 4711 Bus error               (core dumped) python train.py", ErrorKind.BUS_ERROR),
        ("ERROR: Unexpected bus error encountered in worker. This might be caused by", ErrorKind.BUS_ERROR),
        ("RuntimeError: DataLoader worker (pid 7) is killed by signal: Bus error. It is", ErrorKind.BUS_ERROR),
        ("subprocess.CalledProcessError: Command '['python']' died with <Signals.SIGBUS: 7>.", ErrorKind.BUS_ERROR),
        ("RuntimeError: DataLoader worker (pid 7) is killed by signal: Killed. ", ErrorKind.DATA_LOADER),
        ("RuntimeError: DataLoader worker (pid(s) 12877) exited unexpectedly", ErrorKind.DATA_LOADER),
        ("AssertionError", ErrorKind.ASSERTION),
        ("AssertionError: max_train_steps should be greater than initial step: 60 vs 60", ErrorKind.ASSERTION),
        ("[rank1]: ValueError: not enough values to unpack", ErrorKind.EXCEPTION),
        ("safetensors_rust.SafetensorError: Error while deserializing header", ErrorKind.EXCEPTION),
    ],
)
def test_the_kind_of_an_error(text: str, kind: ErrorKind) -> None:
    fault = read_fault(text)
    assert fault is not None
    assert (fault.kind, fault.consequence) == (kind, False)


@pytest.mark.parametrize(
    "text",
    [
        "CUDA kernel errors might be asynchronously reported at some other API call",
        "RuntimeError: [enforce fail at inline_container.cc:659] . unexpected pos 118272064 vs 118271960",
        "subprocess.CalledProcessError: Command '['python']' returned non-zero exit status 1.",
        "  exitcode  : -9 (pid: 10565)  (SIGKILL)",
    ],
)
def test_a_line_that_only_follows_from_another_is_marked(text: str) -> None:
    fault = read_fault(text)
    assert fault is not None
    assert fault.consequence


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Traceback (most recent call last):",
        '    raise ValueError("x: y")',
        "    raise OutOfMemoryError(_OUT_OF_MEMORY)",
        "KeyboardInterrupt",
        "Aborted!",
        "UserWarning: this is deprecated",
        "INFO  CUBLAS_STATUS_SUCCESS",
        "INFO  errors: 0",
        "subprocess.CalledProcessError died with <Signals.SIGTERM: 15>.",
        "WARNING  no regularization images / 正則化画像が見つかりませんでした",
    ],
)
def test_an_innocent_line_is_no_error(text: str) -> None:
    assert read_fault(text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("subprocess.CalledProcessError: Command '['python', 't.py']' died with <Signals.SIGTERM: 15>.", 15),
        ("ERROR:torch.distributed.elastic.multiprocessing.api:failed (exitcode: -15) local_rank: 0 (pid: 7)", 15),
        ("  exitcode  : -9 (pid: 10565)  (SIGKILL)", 9),
        ("[1]:\n  exitcode  : -15 (pid: 8)\nRoot Cause (first observed failure):\n  exitcode  : -9 (pid: 7)\n", 9),
        ("Sending process 77 closing signal SIGTERM\ntorch.api.SignalException: Process 76 got signal: 15\n", 15),
        ("torch.distributed.elastic.multiprocessing.api.SignalException: Process 498477 got signal: 2", 2),
        ("torch.api.SignalException: Process 76 got signal: Signals.SIGTERM", 15),
        ("torch.api.SignalException: Process 76 got signal: <Signals.SIGINT: 2>", 2),
        ("  exitcode  : 1 (pid: 10565)", None),
        ("Sending process 77119 closing signal SIGTERM", None),
        ("returned non-zero exit status 1.", None),
        ("", None),
    ],
)
def test_the_signal_that_a_launcher_names(text: str, number: int | None) -> None:
    assert named_signal(text) == number


def test_text_for_people_is_short_and_without_control_characters() -> None:
    assert shorten("\x00 Error:\x07 a\x9b\u202eb" + "c" * 999) == "Error: ab" + "c" * 191
