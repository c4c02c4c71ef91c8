"""What stands between the network and an edge: TLS, users and headers, as ``--web.config.file`` says now.

The file, certificate and keys are looked at again with every connection and request, as all of Prometheus' family
does: a renewed certificate or a new user needs no restart. While they are half written, what was good stays in force.
"""

import logging
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from trainwarden.config import absolute
from trainwarden.errors import ConfigurationError
from trainwarden.web import webconfig
from trainwarden.web.webconfig import TlsSettings, WebSettings

if TYPE_CHECKING:
    import ssl

    from trainwarden.web.users import Users

log = logging.getLogger(__name__)

_Stamp = tuple[tuple[int, int, int] | None, ...]


class Rules(NamedTuple):
    """What is in force."""

    tls: "ssl.SSLContext | None" = None
    users: "Users | None" = None
    headers: Mapping[str, str] = {}


class Protection:
    """The rules in force, read anew where a file has changed."""

    def __init__(self, file: str | None) -> None:
        """None: nothing is protected. Raises ``ConfigurationError``."""
        self._path = absolute(file) if file else None
        self._lock = threading.Lock()
        self._files: tuple[Path, ...] = ()
        self._stamp: _Stamp = ()
        self._rules = Rules()
        if self._path:
            self._load(self._path)

    def rules(self) -> Rules:
        """What is in force now."""
        if self._path is None:
            return self._rules
        with self._lock:
            stamp = _stamp(self._files)
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._load(self._path)
                except ConfigurationError as error:
                    log.error("%s; what was in force before stays in force", error)
                else:
                    log.info("%s was read anew", self._path)
            return self._rules

    def secure(self, connection: socket.socket) -> socket.socket:
        """Put TLS around a connection, if that is asked for. Raises ``OSError`` and ``Refused``."""
        context = self.rules().tls
        if context is None:
            return connection
        from trainwarden.web import tls

        return tls.secure(connection, context)

    def _load(self, path: Path) -> None:
        # Stamped before they are read: what changes meanwhile is read again.
        own = _stamp((path,))
        settings = webconfig.load(path)
        further = _files_of(settings.tls_server_config, path.parent)
        self._files, self._stamp = (path, *further), (*own, *_stamp(further))
        self._rules = _rules(settings, path, self._rules)


def _rules(settings: WebSettings, path: Path, before: Rules) -> Rules:
    context = None
    if settings.tls_server_config is not None:
        from trainwarden.web import tls

        try:
            context = tls.context(settings.tls_server_config, path.parent)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from None
    return Rules(context, _users(settings.basic_auth_users, before.users), settings.http_server_config.headers)


def _users(hashes: Mapping[str, str], before: "Users | None") -> "Users | None":
    if not hashes:
        return None
    from trainwarden.web.users import Users

    # The same users stay who they are: a renewed certificate should not cost every client a bcrypt again.
    return before if before is not None and before.hashes == hashes else Users(hashes)


def _files_of(settings: TlsSettings | None, folder: Path) -> tuple[Path, ...]:
    if settings is None:
        return ()
    named = (settings.cert_file, settings.key_file, settings.client_ca_file)
    return tuple(folder / name for name in named if name)


def _stamp(files: tuple[Path, ...]) -> _Stamp:
    return tuple(map(_stamp_of, files))


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
