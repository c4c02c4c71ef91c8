"""The distribution's packages, unpacked into a folder of our own: no root, nothing installed, no daemon started.

apt gets private lists and a private cache, so that the system's are neither needed nor touched, and none of the
system's hooks run (they belong to the system's lists). See apt.conf(5).
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from trainwarden.stack.version import Version, first_version

UPDATE_SECONDS = 180
DOWNLOAD_SECONDS = 300

_CONFIGURATION = """\
Dir::State "{root}/state";
Dir::Cache "{root}/cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""
# "root" for the sandbox means: fetch as whoever runs this, not as the user `_apt`, who could not write here.


def available() -> bool:
    """Whether this system has apt and dpkg."""
    return all(shutil.which(name) for name in ("apt-get", "apt-cache", "dpkg-deb"))


class Lists:
    """Package lists and a package cache of our own, kept in ``folder`` so that a second update is quick."""

    def __init__(self, folder: Path) -> None:
        for part in ("state/lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self._configuration = folder / "apt.conf"
        self._configuration.write_text(_CONFIGURATION.format(root=folder))

    def update(self) -> None:
        """Fetch the lists of the system's sources. Raises ``subprocess.SubprocessError``."""
        self._ask("apt-get", "-q", "update", timeout=UPDATE_SECONDS)

    def candidate(self, package: str) -> Version | None:
        """The version that the distribution offers, without its epoch; None where it has no such package."""
        found = re.search(r"Candidate: (?:\d+:)?(\S+)", self._ask("apt-cache", "policy", package))
        return first_version(found.group(1)) if found else None

    def parts(self, package: str, tool: str) -> list[str]:
        """The packages that Debian ships apart from it: scripts and fonts for the browser, and from 3.x on the tool."""
        needed = ["--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces"]
        listed = self._ask("apt-cache", "depends", "--recurse", "--no-enhances", *needed, package)
        return re.findall(rf"^((?:libjs|fonts)-\S+|{re.escape(tool)})$", listed, re.MULTILINE)

    def unpack(self, packages: list[str], target: Path) -> None:
        """Download the packages and unpack them into ``target``. Raises ``subprocess.SubprocessError``."""
        with tempfile.TemporaryDirectory(dir=self._configuration.parent) as folder:
            self._ask("apt-get", "-q", "download", *packages, cwd=folder, timeout=DOWNLOAD_SECONDS)
            for deb in sorted(Path(folder).glob("*.deb")):
                subprocess.run(["dpkg-deb", "-x", str(deb), str(target)], check=True, timeout=DOWNLOAD_SECONDS)

    def _ask(self, program: str, *arguments: str, cwd: str | None = None, timeout: float = 60) -> str:
        command = [program, "-c", str(self._configuration), *arguments]
        done = subprocess.run(command, cwd=cwd, timeout=timeout, check=True, capture_output=True, text=True)
        return done.stdout
