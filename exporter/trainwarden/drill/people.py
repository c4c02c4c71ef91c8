"""Where the people are who are told of a drill, and what has reached them.

Alertmanager's metrics count a message to the user's own webhook and one to the receiver as the same. Its log names
both, where it is to say every message that was taken (``LOUD``).
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from trainwarden.config import NotifyConfig

LOUD = "--log.level=debug"
"""With this Alertmanager writes of every message that it was taken; without, only of those that were not."""

Ways = Mapping[str, str]
"""Where people are told, for people, by Alertmanager's name of the way: ``slack``, ``email``, ``webhook``."""

_PEOPLE = r"notify(?:-once)?"
"""Alertmanager's receivers that are the user's."""
_TAKEN = re.compile(rf'^(?=.*msg="Notify success").*\breceiver={_PEOPLE} integration=(\w+)\[', re.MULTILINE)
_REFUSED = r'^.*(?:\breceiver={people} integration={way}\[|\berr="{people}/{way}\[).*$'
_ERROR = re.compile(r'\berr="((?:[^"\\]|\\.)*)"')


def ways(notify: NotifyConfig) -> Ways:
    """Every way that is set. An address is named by its host: the rest of it may be a secret."""
    found = {}
    if notify.slack:
        found["slack"] = f"Slack ({notify.slack.channel})"
    if notify.email:
        found["email"] = f"e-mail ({notify.email.to})"
    if notify.webhook:
        url = notify.webhook.url
        found["webhook"] = f"webhook ({urlsplit(url).hostname if url else 'its address is in notify.webhook.url_file'})"
    return found


def taken(log: Path) -> Counter[str]:
    """How many messages each way has taken so far."""
    return Counter(_TAKEN.findall(_read(log)))


def refused(log: Path, way: str) -> str:
    """Why the last message that this way did not take was not taken, in Alertmanager's words; empty where all were."""
    lines = re.findall(_REFUSED.format(people=_PEOPLE, way=way), _read(log), re.MULTILINE)
    said = [found[1] for line in lines if (found := _ERROR.search(line))]
    return said[-1].replace('\\"', '"') if said else ""


def _read(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""
