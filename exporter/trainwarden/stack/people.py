"""How people are told, as Alertmanager's configuration says it: from ``notify:`` in ``trainwarden.yml``.

Secrets are named by their files, and never copied. Where an address itself is the secret and Alertmanager 0.25 would
take it only in its configuration, the message goes by way of the receiver (``web.relay``).
"""

import copy
import stat
from pathlib import Path
from typing import Any

import msgspec

from trainwarden.config import (
    EmailConfig,
    NotifyConfig,
    QuietConfig,
    QuietTime,
    SlackConfig,
    WebhookConfig,
    absolute,
    secret_files,
)
from trainwarden.config.notify import DAY_MINUTES, DAYS, minutes
from trainwarden.errors import ConfigurationError

QUIET = "quiet"
"""The name of the mute time."""

Integrations = dict[str, list[dict[str, Any]]]


def check_secrets(notify: NotifyConfig) -> None:
    """Raise ``ConfigurationError``, one sentence, for a secret's file with which no message would arrive, or that
    others may read."""
    for key, named in secret_files(notify).items():
        file = absolute(named)
        try:
            content, mode = file.read_text(), stat.S_IMODE(file.stat().st_mode)
        except FileNotFoundError as error:
            raise ConfigurationError(f"{key}: {file}: there is no such file; write the secret into it") from error
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "is not text"
            raise ConfigurationError(f"{key}: {file}: cannot be read: {said}") from error
        if mode & 0o077:
            raise ConfigurationError(f"{key}: {file} is open to others (mode {mode:o}): chmod 600 {file}")
        _check_content(key, file, content)


def _check_content(key: str, file: Path, content: str) -> None:
    if not content.strip():
        raise ConfigurationError(f"{key}: {file} is empty; write the secret into it")
    if "\n" in content.strip() or (key.endswith("url_file") and " " in content.strip()):
        raise ConfigurationError(f"{key}: {file}: must hold the secret alone, on one line")
    if key.endswith("url_file") and not content.startswith(("https://", "http://")):
        raise ConfigurationError(f"{key}: {file}: holds no address; it begins with https:// or http://")
    if key.endswith("password_file") and content != content.strip():
        raise ConfigurationError(
            f"{key}: {file}: the password is followed by a line's end, which Alertmanager before 0.27 sends along;"
            f" write it without: printf %s PASSWORD >{file}"
        )


def people(notify: NotifyConfig, receiver: str, token_file: str) -> Integrations:
    """The integrations of the receiver ``notify``; none where nothing is set. Texts: ``templates/``."""
    found: Integrations = {}
    if notify.slack:
        found["slack_configs"] = [_slack(notify.slack)]
    if notify.email:
        found["email_configs"] = [_email(notify.email)]
    if notify.webhook:
        found["webhook_configs"] = [_webhook(notify.webhook, receiver, token_file)]
    return found


def once(integrations: Integrations) -> Integrations:
    """The same for what is said once: nobody is told of its end."""
    copied = copy.deepcopy(integrations)  # what two places share would be written as a reference
    return {kind: [{**one, "send_resolved": False} for one in each] for kind, each in copied.items()}


def heartbeat(notify: NotifyConfig, receiver: str, token_file: str) -> Integrations:
    """Of the receiver ``heartbeat``: the dead man's switch, if there is one."""
    if not notify.heartbeat_url_file:
        return {}
    return {"webhook_configs": [_posted(f"http://{receiver}/relay/heartbeat", token_file, resolved=False)]}


def quiet_times(quiet: QuietConfig) -> dict[str, Any]:
    """The mute time. One that goes on past midnight becomes two, as Alertmanager knows no other."""
    stretches = [stretch for time in quiet.times for stretch in _stretches(time)]
    return {"name": QUIET, "time_intervals": [{**stretch, "location": quiet.time_zone} for stretch in stretches]}


def with_absolute_files(notify: NotifyConfig) -> NotifyConfig:
    """As the receiver, which may run elsewhere, is to read it."""
    webhook, heartbeat_file = notify.webhook, notify.heartbeat_url_file
    if webhook:
        files = {name: getattr(webhook, name) for name in ("url_file", "token_file")}
        named = {name: str(absolute(file)) for name, file in files.items() if file}
        webhook = msgspec.structs.replace(webhook, **named)
    heartbeat_file = str(absolute(heartbeat_file)) if heartbeat_file else None
    return msgspec.structs.replace(notify, webhook=webhook, heartbeat_url_file=heartbeat_file)


def _stretches(time: QuietTime) -> list[dict[str, Any]]:
    begin, end = minutes(time.from_) or 0, minutes(time.to) or 0
    days = [DAYS.index(day) for day in time.days] if time.days else list(range(len(DAYS)))
    if begin < end:
        return [_stretch(begin, end, days)]
    after = [_stretch(0, end, [(day + 1) % len(DAYS) for day in days])] if end else []
    return [_stretch(begin, DAY_MINUTES, days), *after] if begin < DAY_MINUTES else after


def _stretch(begin: int, end: int, days: list[int]) -> dict[str, Any]:
    times = {"start_time": _clock(begin), "end_time": _clock(end)}
    every = len(set(days)) == len(DAYS)
    return {"times": [times], **({} if every else {"weekdays": [DAYS[day] for day in sorted(set(days))]})}


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _slack(slack: SlackConfig) -> dict[str, Any]:
    where = {"api_url_file": str(absolute(slack.api_url_file)), "channel": slack.channel}
    texts = {part: _template(f"slack.{part}") for part in ("title", "title_link", "text", "color", "fallback")}
    return {**where, **texts, "send_resolved": True}


def _email(email: EmailConfig) -> dict[str, Any]:
    message: dict[str, Any] = {"to": email.to, "from": email.from_, "smarthost": email.smarthost}
    message |= {"require_tls": email.require_tls, "send_resolved": True}
    message |= {"headers": {"Subject": _template("email.subject")}}
    message |= {"html": _template("email.html"), "text": _template("email.text")}
    if email.username and email.password_file:
        message |= {"auth_username": email.username, "auth_password_file": str(absolute(email.password_file))}
    return message


def _webhook(webhook: WebhookConfig, receiver: str, token_file: str) -> dict[str, Any]:
    if webhook.url is None:
        return _posted(f"http://{receiver}/relay/webhook", token_file)
    return _posted(webhook.url, str(absolute(webhook.token_file)) if webhook.token_file else None)


def _posted(url: str, token_file: str | None, *, resolved: bool = True) -> dict[str, Any]:
    message: dict[str, Any] = {"url": url, "send_resolved": resolved, "max_alerts": 0}
    if token_file:
        message["http_config"] = {"authorization": {"type": "Bearer", "credentials_file": token_file}}
    return message


def _template(name: str) -> str:
    return f'{{{{ template "trainwarden.{name}" . }}}}'
