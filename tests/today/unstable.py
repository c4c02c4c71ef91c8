"""Today's Prometheus and Alertmanager: Debian unstable's, from wherever this machine gets its own Debian from.

The product's own code fetches them, as for a user of that Debian: as this user, nothing is installed. Only the sources
that apt reads are others for that time (apt.conf(5), APT_CONFIG).
"""

import re
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest

from trainwarden.stack import apt
from trainwarden.stack import tools as programs

FLOORS = {"PROMETHEUS": (3, 0), "ALERTMANAGER": (0, 28)}
"""What is older, on PATH too, is what `make test` asks already."""

_SOURCES = "Types: deb\nURIs: {uri}\nSuites: unstable\nComponents: main\n{key}\n"
_CONFIGURATION = """\
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{folder}";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
"""


def sources() -> str | None:
    """Unstable's entry beside the one that this machine has for its own Debian; None where it has none."""
    if not apt.available():
        return None
    debian = ("Origin: Debian", "Label: Debian", "Created-By: Packages", "Component: main")
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(SOURCESENTRY)", *debian]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    if not listed:
        return None
    uri, place = listed[0].split(" ", 1)
    return _SOURCES.format(uri=uri, key=_signed_by(place))


def _signed_by(place: str) -> str:
    """What the entry says of its key, in the notation of sources.list(5); apt's own keys where it says nothing.

    ``place`` is the file, and in it the number of the line, or of the paragraph in a file of the newer form (where one
    of comments alone does not count).
    """
    file, _, number = place.rpartition(":")
    text = Path(file).read_text()
    told = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip()
    entries = re.split(r"\n\s*\n", told) if file.endswith(".sources") else text.splitlines()
    found = re.search(r"signed-by[ \t]*[:=][ \t]*([^\s\]]+)", entries[int(number) - 1], re.IGNORECASE)
    return f"Signed-By: {found[1]}" if found else ""


def fetch(folder: Path, source: str) -> programs.Tools:
    """Today's four programs, kept in ``folder`` until tomorrow. Raises ``StackError`` where they cannot be had."""
    today = folder / date.today().isoformat()
    for old in set(folder.glob("*")) - {today}:
        shutil.rmtree(old)
    entries = today / "sources"
    entries.mkdir(parents=True, exist_ok=True)
    (entries / "unstable.sources").write_text(source)
    configuration = today / "apt.conf"
    configuration.write_text(_CONFIGURATION.format(folder=entries))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APT_CONFIG", str(configuration))
        for name, minimum in FLOORS.items():
            patch.setattr(programs, name, getattr(programs, name)._replace(minimum=minimum))
        return programs.locate(today, print)
