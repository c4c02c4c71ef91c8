"""TLS for the server, as ``tls_server_config`` asks for it. Imported only where that is set: OpenSSL takes 4 MB."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from trainwarden.errors import ConfigurationError
from trainwarden.web.answer import Refused
from trainwarden.web.webconfig import TlsSettings

if TYPE_CHECKING:
    from typing_extensions import Buffer

T = TypeVar("T")

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CLIENTS = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
_CIPHERS_OF_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""Always offered with TLS 1.3, in Go too."""
_HANDSHAKE = b"\x16"
"""The first byte of every TLS connection."""


def context(settings: TlsSettings, folder: Path) -> ssl.SSLContext:
    """What the server's connections are wrapped with; files are looked for in ``folder``.

    Raises ``ConfigurationError`` with the key and the mend, without the file that the settings stand in.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.sslsocket_class = Secured
    made.minimum_version = _one_of(_VERSIONS, settings.min_version, "min_version")
    made.maximum_version = _one_of(_VERSIONS, settings.max_version, "max_version")
    if made.minimum_version > made.maximum_version:
        raise _error("max_version", f"is below min_version; write {settings.min_version} or a later one")
    if not settings.prefer_server_cipher_suites:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _use_ciphers(made, settings.cipher_suites)
    _use_certificate(made, settings, folder)
    _ask_clients(made, settings, folder)
    return made


class Secured(ssl.SSLSocket):
    """Says as any other socket does that it would have to wait: with ``BlockingIOError``."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands, as far as that goes."""
        with _as_others_say_it():
            super().do_handshake(block)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Take what has come."""
        with _as_others_say_it():
            return super().recv(buflen, flags)

    def send(self, data: "Buffer", flags: int = 0) -> int:
        """Send as much as there is room for."""
        with _as_others_say_it():
            return super().send(data, flags)


@contextmanager
def _as_others_say_it() -> Iterator[None]:
    try:
        yield
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
        raise BlockingIOError from error


def secure(connection: socket.socket, context: ssl.SSLContext) -> socket.socket:
    """Put TLS around a connection that does not wait; its hands are still to be shaken.

    Raises ``OSError`` (``BlockingIOError`` where nothing has come yet), and ``Refused`` where HTTP is spoken to us.
    """
    first = connection.recv(1, socket.MSG_PEEK)
    if first and first != _HANDSHAKE:
        raise Refused(HTTPStatus.BAD_REQUEST, "HTTPS is spoken here, and this was not.")
    own = connection.dup()  # wrapping one whose client has just left closes it, and its number is still waited for
    return context.wrap_socket(own, server_side=True, do_handshake_on_connect=False)


def _use_ciphers(made: ssl.SSLContext, names: list[str]) -> None:
    known = {**_CIPHERS, **dict.fromkeys(_CIPHERS_OF_13, "")}
    if chosen := [name for name in (_one_of(known, name, "cipher_suites") for name in names) if name]:
        made.set_ciphers(":".join(chosen))


def _use_certificate(made: ssl.SSLContext, settings: TlsSettings, folder: Path) -> None:
    certificate = _readable(settings.cert_file, "cert_file", folder)
    key = _readable(settings.key_file, "key_file", folder)
    try:
        made.load_cert_chain(certificate, key, password=_no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise _error(
                "key_file", f"{key} is not the key of {certificate}; name those that belong together"
            ) from None
        raise _error("cert_file", f"{certificate} and {key} are not a certificate and a key in PEM form") from None


def _no_passphrase() -> str:
    """Without this OpenSSL would ask the terminal, and wait."""
    raise _error("key_file", "the key is locked with a passphrase; take that off: openssl pkey -in OLD -out NEW")


def _ask_clients(made: ssl.SSLContext, settings: TlsSettings, folder: Path) -> None:
    made.verify_mode = _one_of(_CLIENTS, settings.client_auth_type, "client_auth_type")
    if made.verify_mode == ssl.CERT_NONE:
        if settings.client_ca_file is not None:
            raise _error("client_auth_type", "must be set with client_ca_file; write RequireAndVerifyClientCert")
        return
    authority = _readable(settings.client_ca_file, "client_ca_file", folder)
    try:
        made.load_verify_locations(authority)
    except ssl.SSLError:
        raise _error("client_ca_file", f"{authority} holds no certificate in PEM form") from None


def _readable(name: str | None, key: str, folder: Path) -> Path:
    if not name:
        raise _error(key, "is missing; name a file in PEM form")
    path = folder / name
    try:
        path.open("rb").close()
    except OSError as error:
        raise _error(key, f"{path}: {error.strerror}") from None
    return path


def _one_of(known: "dict[str, T]", name: str, key: str) -> "T":
    if name not in known:
        raise _error(key, f"'{name}' is not offered here; allowed here: {', '.join(known)}")
    return known[name]


def _error(key: str, said: str) -> ConfigurationError:
    return ConfigurationError(f"tls_server_config.{key}: {said}")
