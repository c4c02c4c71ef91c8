"""Where messages arrive in these tests: a mail server that asks for a login, and hooks that keep what is posted."""

import email
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.ports import free_port


class Posted(NamedTuple):
    """One request to a hook."""

    path: str
    authorization: str | None
    body: Any


class Hook:
    """An HTTP endpoint that answers as Slack does and keeps what it is sent."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.status = 200
        """What it answers."""
        self.url = ""

    def texts(self) -> list[tuple[str, str]]:
        """Title and text of every Slack message."""
        return [(part["title"], part["text"]) for one in self.posted for part in one.body["attachments"]]


@contextmanager
def hook() -> Iterator[Hook]:
    """A hook on loopback."""
    kept = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kept.posted.append(Posted(self.path, self.headers.get("Authorization"), body))
            self.send_response(kept.status)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield kept
        server.shutdown()


class Mail(NamedTuple):
    """One mail, and who was logged in and how when it came."""

    message: EmailMessage
    login: LoginPassword | None
    encrypted: bool

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    def text(self, kind: str) -> str:
        """Its part of this kind: ``plain`` or ``html``."""
        part = self.message.get_body((kind,))
        assert part is not None
        return str(part.get_content()).replace("\r\n", "\n")


class Mailbox:
    """Keeps what arrives; ``smarthost`` is where."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.smarthost = f"localhost:{free_port()}"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's)
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        self.mails.append(Mail(message, session.auth_data, session.ssl is not None))
        return "250 kept"


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None, login: bool = False) -> Iterator[Mailbox]:
    """A real SMTP server (aiosmtpd) on loopback; any password passes, and is kept beside the mail."""
    box = Mailbox()
    host, _, port = box.smarthost.partition(":")

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=True, auth_data=data)

    encrypted = {"tls_context": tls, "require_starttls": tls is not None, "auth_require_tls": tls is not None}
    # aiosmtpd asks for LOGIN in words that Alertmanager does not know.
    asked = {"authenticator": authenticate, "auth_required": login, "auth_exclude_mechanism": ["LOGIN"]}
    controller = Controller(box, hostname=host, port=int(port), **encrypted, **asked)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
