"""TLS as ``tls_server_config`` asks for it: real handshakes with a certificate made here."""

import logging
import socket
import ssl
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from tests.support.wait import wait_until
from tests.web.certificates import Certificates
from tests.web.serving import Served, ask, serving
from trainwarden.errors import ConfigurationError


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def test_a_scrape_over_tls_keeps_its_connection(certificates: Certificates) -> None:
    with serving(web_config_file=certificates.configure()) as served:
        assert served.url.startswith("https://")
        connection = served.http(certificates.trusting())
        answers = [ask(connection, "/metrics") for _ in range(2)]
        assert [answer.status for answer in answers] == [200, 200]
        assert connection.sock.version() == "TLSv1.3"


def test_a_client_that_does_not_shake_hands_holds_nobody_up(certificates: Certificates) -> None:
    with serving(web_config_file=certificates.configure()) as served, served.connect() as silent:
        silent.sendall(b"\x16\x03\x01")
        began = time.monotonic()
        assert ask(served.http(certificates.trusting()), "/-/healthy").status == 200
        assert time.monotonic() - began < 5


def test_clients_that_leave_with_a_reset_amid_the_handshake_take_no_thread_along(certificates: Certificates) -> None:
    with serving(web_config_file=certificates.configure()) as served:
        for _ in range(100):
            with served.connect() as leaving:
                leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                leaving.sendall(b"\x16\x03\x01")
        wait_until(lambda: not served.server._open, 5, "all have been let go")
        assert ask(served.http(certificates.trusting()), "/-/healthy").status == 200


def test_who_speaks_http_to_it_is_told_so(certificates: Certificates) -> None:
    with serving(web_config_file=certificates.configure()) as served:
        answer = served.get("/metrics")
        assert (answer.status, answer.text) == (400, "HTTPS is spoken here, and this was not.\n")


def test_who_speaks_tls_where_there_is_none_is_answered_at_once() -> None:
    with serving() as served, pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
        ask(served.http(ssl.create_default_context()), "/metrics")


def test_a_client_must_show_a_certificate_of_the_authority_where_that_is_asked(certificates: Certificates) -> None:
    certificates.issue("client")
    asked = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.crt"}
    with serving(web_config_file=certificates.configure(**asked)) as served:
        assert ask(served.http(certificates.trusting("client")), "/metrics").status == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(served.http(certificates.trusting()), "/metrics")


@pytest.mark.parametrize("old", [True, False])
def test_an_older_version_is_refused_where_a_newer_one_is_asked(certificates: Certificates, old: bool) -> None:
    client = certificates.trusting()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    suites = ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"]
    settings: dict[str, Any] = {"max_version": "TLS12", "cipher_suites": suites} if old else {"min_version": "TLS13"}
    with serving(web_config_file=certificates.configure(**settings)) as served:
        connection = served.http(client)
        if old:
            assert ask(connection, "/metrics").status == 200
            assert connection.sock.cipher()[:2] == ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2")
        else:
            with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                ask(connection, "/metrics")


def _serial(served: Served, context: ssl.SSLContext) -> Any:
    connection = served.http(context)
    connection.connect()
    with connection.sock:
        return connection.sock.getpeercert()["serialNumber"]


def test_a_renewed_certificate_is_taken_up_and_a_half_written_one_is_not(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    trusting = certificates.trusting()
    with serving(web_config_file=certificates.configure()) as served:
        first = _serial(served, trusting)
        key = certificates.folder / "server.key"
        whole = key.read_bytes()
        key.write_bytes(whole[:100])
        assert _serial(served, trusting) == _serial(served, trusting) == first
        assert [record.levelname for record in caplog.records] == ["ERROR"], "said once"
        assert "PEM form; what was in force before stays in force" in caplog.text
        assert whole[60:90].decode() not in caplog.text
        certificates.issue("server")
        assert _serial(served, trusting) != first


@pytest.mark.parametrize(
    ("tls", "said"),
    [
        ({"cert_file": None}, "cert_file: is missing; name a file in PEM form"),
        ({"key_file": "none.key"}, "key_file: {folder}/none.key: No such file or directory"),
        ({"key_file": "."}, "key_file: {folder}: Is a directory"),
        (
            {"key_file": "other.key"},
            "key_file: {folder}/other.key is not the key of {folder}/server.crt; name those that belong together",
        ),
        (
            {"cert_file": "web.yml"},
            "cert_file: {folder}/web.yml and {folder}/server.key are not a certificate and a key in PEM form",
        ),
        (
            {"client_ca_file": "ca.crt"},
            "client_auth_type: must be set with client_ca_file; write RequireAndVerifyClientCert",
        ),
        ({"client_auth_type": "RequireAndVerifyClientCert"}, "client_ca_file: is missing; name a file in PEM form"),
        (
            {"client_auth_type": "VerifyClientCertIfGiven", "client_ca_file": "server.key"},
            "client_ca_file: {folder}/server.key holds no certificate in PEM form",
        ),
        (
            {"client_auth_type": "RequireAnyClientCert"},
            "client_auth_type: 'RequireAnyClientCert' is not offered here; allowed here: NoClientCert,"
            " VerifyClientCertIfGiven, RequireAndVerifyClientCert",
        ),
        ({"min_version": "TLS10"}, "min_version: 'TLS10' is not offered here; allowed here: TLS12, TLS13"),
        (
            {"min_version": "TLS13", "max_version": "TLS12"},
            "max_version: is below min_version; write TLS13 or a later one",
        ),
    ],
)
def test_a_mistake_is_one_sentence(certificates: Certificates, tls: dict[str, Any], said: str) -> None:
    certificates.issue("other")
    file = certificates.configure(**tls)
    expected = said.format(folder=certificates.folder)
    assert _refused(file) == f"{file}: tls_server_config.{expected}"


def _refused(file: str) -> str:
    with pytest.raises(ConfigurationError) as refused, serving(web_config_file=file):
        pass
    return str(refused.value)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(certificates: Certificates) -> None:
    file = certificates.folder / "server.key"
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"hidden")
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    assert "key_file: the key is locked with a passphrase; take that off" in _refused(certificates.configure())


def test_an_unknown_cipher_is_refused_with_those_that_are_known(certificates: Certificates) -> None:
    said = _refused(certificates.configure(cipher_suites=["TLS_RSA_WITH_RC4_128_SHA"]))
    assert "cipher_suites: 'TLS_RSA_WITH_RC4_128_SHA' is not offered here; allowed here: TLS_ECDHE_ECDSA_" in said
