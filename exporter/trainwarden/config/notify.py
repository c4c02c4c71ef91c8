"""``notify:`` of ``trainwarden.yml``: where people are told, and when they want their quiet.

Everything that is a secret stands in a file of its own, which is named here.
"""

import re

from msgspec import Struct, field

from trainwarden.config.reading import unknown
from trainwarden.errors import ConfigurationError

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY_MINUTES = 24 * 60

Clock = str | int
"""A time of day, ``HH:MM``. YAML reads an unquoted 22:00 as 1320, which is minutes of the day as well."""


class SlackConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``notify.slack:``. The URL is a secret, so it is named by its file."""

    api_url_file: str
    channel: str


class EmailConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``notify.email:``."""

    to: str
    from_: str = field(name="from")
    smarthost: str
    """host:port."""
    username: str | None = None
    password_file: str | None = None
    require_tls: bool = True


class WebhookConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``notify.webhook:``, for everything else: Alertmanager's own JSON (version 4) is posted there."""

    url: str | None = None
    url_file: str | None = None
    """Where the address is itself a secret; the receiver then passes the message on, and nothing else knows it."""
    token_file: str | None = None
    """Sent as a bearer token."""


class QuietTime(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stretch of every day that is named. One that ends before it begins goes on into the next day."""

    from_: Clock = field(name="from")
    to: Clock
    days: list[str] | None = None
    """On which it begins; None: on every one."""


class QuietConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``notify.quiet:``, when warnings wait. What is critical, and what becomes of a restart, is always told."""

    time_zone: str
    """Of the IANA database, as ``Europe/Berlin``."""
    times: list[QuietTime]


class NotifyConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``notify:``. Nothing set: alerts stand in Alertmanager only."""

    slack: SlackConfig | None = None
    email: EmailConfig | None = None
    webhook: WebhookConfig | None = None
    quiet: QuietConfig | None = None
    heartbeat_url_file: str | None = None
    """An address that wants to be called every minute, and raises the alarm when it is not (a dead man's switch)."""
    grafana_url: str | None = None
    """Where the messages' links to dashboards point; by default to Grafana on this machine."""


def secret_files(notify: NotifyConfig) -> dict[str, str]:
    """The path of every secret's file by its key; only those that are set."""
    slack, email, webhook = notify.slack, notify.email, notify.webhook
    named = {
        "notify.slack.api_url_file": slack and slack.api_url_file,
        "notify.email.password_file": email and email.password_file,
        "notify.webhook.url_file": webhook and webhook.url_file,
        "notify.webhook.token_file": webhook and webhook.token_file,
        "notify.heartbeat_url_file": notify.heartbeat_url_file,
    }
    return {key: file for key, file in named.items() if file}


def check_notify(notify: NotifyConfig) -> None:
    """Raise ``ConfigurationError`` for what is set by half, or could not be meant."""
    if notify.slack and not re.fullmatch(r"[#@]?[\w.-]+", notify.slack.channel):
        raise ConfigurationError('notify.slack.channel: write the channel\'s name in quotes, as "#training"')
    if notify.email:
        _check_email(notify.email)
    if notify.webhook:
        _check_webhook(notify.webhook)
    if notify.quiet:
        _check_quiet(notify.quiet)
    if notify.grafana_url is not None:
        check_url(notify.grafana_url, "notify.grafana_url")


def check_url(url: str, key: str) -> None:
    """Raise ``ConfigurationError``, which does not repeat the address: it may be a secret."""
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", url):
        raise ConfigurationError(f"{key}: is no address; write one that begins with https:// or http://")


def minutes(clock: Clock) -> int | None:
    """Minutes since midnight, 0 to 1440; None where it is no time of day."""
    if isinstance(clock, str):
        found = re.fullmatch(r"(\d{1,2}):([0-5]\d)", clock)
        clock = int(found[1]) * 60 + int(found[2]) if found else -1
    return clock if 0 <= clock <= DAY_MINUTES else None


def _check_email(email: EmailConfig) -> None:
    if not re.fullmatch(r"[^\s:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", email.smarthost):
        raise ConfigurationError("notify.email.smarthost: write HOST:PORT of your mail server, as smtp.example.org:587")
    for key, address in (("to", email.to), ("from", email.from_)):
        if "@" not in address:
            raise ConfigurationError(f"notify.email.{key}: '{address}' is no mail address")
    if (email.username is None) != (email.password_file is None):
        missing, there = ("username", "password_file") if email.username is None else ("password_file", "username")
        raise ConfigurationError(f"notify.email: {there} is set and {missing} is not; a login needs both")


def _check_webhook(webhook: WebhookConfig) -> None:
    if (webhook.url is None) == (webhook.url_file is None):
        raise ConfigurationError("notify.webhook: write either url, or url_file for an address that is itself a secret")
    if webhook.url is not None:
        check_url(webhook.url, "notify.webhook.url")


def _check_quiet(quiet: QuietConfig) -> None:
    import zoneinfo  # only for those who set it

    try:
        zoneinfo.ZoneInfo(quiet.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"notify.quiet.time_zone: '{quiet.time_zone}' is no time zone; write one as Europe/Berlin, or UTC"
        ) from error
    if not quiet.times:
        raise ConfigurationError('notify.quiet.times: name at least one, as {from: "22:00", to: "07:00"}')
    for place, time in enumerate(quiet.times):
        _check_quiet_time(time, f"notify.quiet.times[{place}]")


def _check_quiet_time(time: QuietTime, path: str) -> None:
    for key, clock in (("from", time.from_), ("to", time.to)):
        if minutes(clock) is None:
            raise ConfigurationError(f"{path}.{key}: '{clock}' is no time of day; write HH:MM, 00:00 to 24:00")
    if minutes(time.from_) == minutes(time.to):
        raise ConfigurationError(f"{path}: begins and ends at once; a whole day is 00:00 to 24:00")
    if time.days is not None and not time.days:
        raise ConfigurationError(f"{path}.days: names no day; leave it out for every day")
    for day in time.days or ():
        if day not in DAYS:
            raise unknown(f"{path}.days", day, DAYS, what="day")
