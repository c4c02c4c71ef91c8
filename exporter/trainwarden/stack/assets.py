"""What the product ships besides Python: rules, routes, dashboards. In the repository, or inside the wheel."""

from pathlib import Path
from typing import NamedTuple

from trainwarden.errors import StackError

_PACKAGE = Path(__file__).resolve().parent.parent


class Assets(NamedTuple):
    """The shipped folders."""

    prometheus: Path
    """``prometheus.yml`` and ``rules/``."""
    alertmanager: Path
    """``alertmanager.yml`` and ``templates/``."""
    grafana: Path
    """``dashboards/`` and ``provisioning/``."""


def find(package: Path = _PACKAGE) -> Assets:
    """The shipped folders of this installation: the wheel's own, else the repository's around the package."""
    for root in (package / "bundled", package.parent.parent):
        if (root / "prometheus" / "prometheus.yml").is_file():
            return Assets(root / "prometheus", root / "alertmanager", root / "grafana")
    raise StackError(
        f"{package}: the rules and dashboards are missing from this installation; install trainwarden anew"
    )
