"""A number as people read it, in the units in which the training guide writes it: 70 %, 8 GiB, 30 min, 85 °C."""

_BINARY = (("TiB", 1024.0**4), ("GiB", 1024.0**3), ("MiB", 1024.0**2), ("KiB", 1024.0))


def of(value: float, name: str) -> str:
    """``value`` in the base unit that the name of its signal or metric ends in (``_ratio``, ``_bytes`` …)."""
    if name.endswith("_ratio"):
        return f"{value * 100:.4g} %"
    if name.endswith("_bytes"):
        return size(value)
    if name.endswith("_bytes_per_second"):
        return f"{size(value)}/s"
    if name.endswith("_seconds"):
        return duration(value)
    return f"{value:.4g} °C" if name.endswith("_celsius") else f"{value:.6g}"


def counted(number: int, what: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def size(count: float) -> str:
    """Bytes, by powers of 1024 as ``free -h`` and nvidia-smi print them."""
    for unit, factor in _BINARY:
        if abs(count) >= factor:
            return f"{count / factor:.4g} {unit}"
    return f"{count:.0f} B"


def duration(seconds: float) -> str:
    """Seconds, to the second from a minute on: ``2.5 s``, ``30 min``, ``1 h 45 min``, ``2 d 3 h``."""
    if abs(seconds) < 60:
        return f"{seconds:.3g} s"
    left = round(abs(seconds))
    parts = []
    for unit, factor in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, factor)
        if count:
            parts.append(f"{count} {unit}")
    return ("-" if seconds < 0 else "") + " ".join(parts[:2])
