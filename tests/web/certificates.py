"""Certificates made for a test, and a web configuration that names them."""

import ssl
from pathlib import Path
from typing import Any

import trustme
import yaml


class Certificates:
    """An authority, and what it issued, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(str(folder / "ca.crt"))
        self.issue("server")

    def issue(self, name: str) -> None:
        """(Re)place NAME.crt and NAME.key, for 127.0.0.1."""
        issued = self._authority.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(str(self.folder / f"{name}.key"))
        issued.cert_chain_pems[0].write_to_path(str(self.folder / f"{name}.crt"))

    def trusting(self, client: str | None = None) -> ssl.SSLContext:
        """What a client that trusts the authority connects with, showing its own certificate where it has one."""
        context = ssl.create_default_context(cafile=self.folder / "ca.crt")
        if client:
            context.load_cert_chain(self.folder / f"{client}.crt", self.folder / f"{client}.key")
        return context

    def configure(self, users: dict[str, str] | None = None, **tls: Any) -> str:
        """Write web.yml with the server's certificate and these further settings; returns its name."""
        settings = {"cert_file": "server.crt", "key_file": "server.key", **tls}
        file = self.folder / "web.yml"
        file.write_text(yaml.safe_dump({"tls_server_config": settings, "basic_auth_users": users or {}}))
        return str(file)
