import pytest

from trainwarden import units


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (0.7, "memory_used_ratio", "70 %"),
        (0.05, "gpu_utilization_ratio", "5 %"),
        (8 * 1024**3, "memory_available_bytes", "8 GiB"),
        (500 * 1024**2, "swap_used_bytes", "500 MiB"),
        (0, "swap_used_bytes", "0 B"),
        (1024**2, "swap_in_bytes_per_second", "1 MiB/s"),
        (2.5, "step_duration_seconds", "2.5 s"),
        (2.5 / 0.7, "step_duration_seconds", "3.57 s"),
        (1800, "checkpoint_age_seconds", "30 min"),
        (6300, "checkpoint_age_seconds", "1 h 45 min"),
        (3725, "checkpoint_age_seconds", "1 h 2 min"),
        (2 * 86400, "checkpoint_age_seconds", "2 d"),
        (85.0, "gpu_temperature_celsius", "85 °C"),
        (3, "gpus", "3"),
    ],
)
def test_a_number_is_read_in_the_guides_units(value: float, name: str, text: str) -> None:
    assert units.of(value, name) == text


def test_one_is_one() -> None:
    assert [units.counted(number, "run") for number in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
