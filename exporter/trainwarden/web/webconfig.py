"""The file of ``--web.config.file``, in the form that all of Prometheus' family share: TLS, headers, users.

Every mistake is one sentence that names file, key and mend, and never shows a value: some of them are secrets.
"""

import re
from pathlib import Path

from msgspec import Struct, field

from trainwarden import config as configuration
from trainwarden.errors import ConfigurationError

_INLINE = {"cert": "cert_file", "key": "key_file", "client_ca": "client_ca_file"}
_UNSUPPORTED = {
    **{f"tls_server_config.{key}": f"write it into a file and name that as {file}" for key, file in _INLINE.items()},
    "tls_server_config.curve_preferences": "leave it out: the curves are OpenSSL's own choice",
    "tls_server_config.client_allowed_sans": "leave it out, and let client_ca_file vouch for these clients alone",
    "rate_limit": "leave it out: scrapes at once are bounded by --web.max-requests",
}
"""What others understand and this server does not, and what to do instead."""

_HEADERS: dict[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""The headers that may be set, and their values where only some are good."""
_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")


class TlsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``tls_server_config:``. Names of files are relative to the folder of the file that they stand in."""

    cert_file: str | None = None
    key_file: str | None = None
    client_auth_type: str = "NoClientCert"
    client_ca_file: str | None = None
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: list[str] = field(default_factory=list)
    """By Go's names, for TLS 1.2; empty: OpenSSL's own choice."""
    prefer_server_cipher_suites: bool = True


class HttpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``http_server_config:``."""

    http2: bool = True
    """Allows what this server never offers; clients then speak HTTP/1.1."""
    headers: dict[str, str] = field(default_factory=dict)
    """Added to every answer."""


class WebSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file; an empty one asks for nothing."""

    tls_server_config: TlsSettings | None = None
    http_server_config: HttpSettings = field(default_factory=HttpSettings)
    basic_auth_users: dict[str, str] = field(default_factory=dict)
    """bcrypt hash by user name."""


def load(path: Path) -> WebSettings:
    """Read and check the file. Raises ``ConfigurationError``."""
    raw = configuration.read_yaml(path)
    try:
        _check_supported(raw)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    settings = configuration.convert(raw, WebSettings, str(path))
    for place, mend in (*_bad_headers(settings), *_bad_users(settings)):
        raise ConfigurationError(f"{path}: {place}: {mend}")
    return settings


def _check_supported(raw: object) -> None:
    for place, mend in _UNSUPPORTED.items():
        section, _, key = place.rpartition(".")
        inside = raw.get(section) if section and isinstance(raw, dict) else raw
        if isinstance(inside, dict) and key in inside:
            raise ConfigurationError(f"{place}: not supported here; {mend}")


def _bad_headers(settings: WebSettings) -> list[tuple[str, str]]:
    found = []
    for name, value in settings.http_server_config.headers.items():
        place = f"http_server_config.headers.{name}"
        if name not in _HEADERS:
            found.append((place, f"this header cannot be set; allowed here: {', '.join(_HEADERS)}"))
        elif _HEADERS[name] and value not in _HEADERS[name]:
            found.append((place, f"write {' or '.join(_HEADERS[name])}"))
        elif not (value.isascii() and value.isprintable()):
            found.append((place, "write one line of ASCII"))
    return found


def _bad_users(settings: WebSettings) -> list[tuple[str, str]]:
    return [
        (f"basic_auth_users.{user}", f"not a bcrypt hash; `htpasswd -nBC 10 {user}` makes one")
        for user, hashed in settings.basic_auth_users.items()
        if not _BCRYPT.fullmatch(hashed)
    ]
