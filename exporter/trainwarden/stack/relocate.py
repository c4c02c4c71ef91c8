"""Makes Debian's Alertmanager run from where it was unpacked.

Upstream's carries its message templates inside the program. Debian's reads them from a fixed folder of the system,
which only an installation fills, does not start without them, and has no option for it. So the copy that was unpacked
for us gets that folder's name as a relative one of the same length, and a small script that starts it from there.
"""

from pathlib import Path

from trainwarden.errors import StackError

FIXED = b"/usr/share/prometheus/alertmanager"
RELATIVE = b"usr/share//prometheus/alertmanager"

_START = """\
#!/bin/sh
# This copy reads its templates relative to where it is started: give all other paths as absolute ones.
cd "${0%/*}/../.." && exec usr/bin/prometheus-alertmanager "$@"
"""


def relocate_alertmanager(root: Path) -> None:
    """Let ``root/usr/bin/alertmanager`` start the Alertmanager that was unpacked into ``root``.

    Raises ``StackError`` for a program that does not name the folder exactly once: it is another than we know.
    """
    binary = root / "usr/bin/prometheus-alertmanager"
    content = binary.read_bytes()
    # The program's constants follow each other without a gap, so longer names of files below the folder stand apart.
    names = [at for at in _all(content, FIXED) if content[at + len(FIXED) : at + len(FIXED) + 1] != b"/"]
    if len(names) != 1:
        raise StackError(f"{binary}: does not read its templates as Debian's Alertmanager is known to")
    at = names[0]
    binary.write_bytes(content[:at] + RELATIVE + content[at + len(FIXED) :])
    start = root / "usr/bin/alertmanager"
    start.write_text(_START)
    start.chmod(0o755)


def _all(content: bytes, part: bytes) -> list[int]:
    found, at = [], content.find(part)
    while at >= 0:
        found.append(at)
        at = content.find(part, at + 1)
    return found
