"""``--web.config.file``: what is taken, and every mistake with file, key and mend, and never with a secret."""

import re
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from trainwarden.errors import ConfigurationError
from trainwarden.web import webconfig

HASH = "$2y$04$" + "a" * 53
WHOLE = f"""
tls_server_config:
  cert_file: exporter.crt
  key_file: exporter.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
http_server_config:
  http2: true
  headers:
    X-Frame-Options: deny
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  alice: {HASH}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "web.yml"


def test_every_key_of_the_family_that_is_supported(file: Path) -> None:
    file.write_text(WHOLE)
    settings = webconfig.load(file)
    assert settings.tls_server_config is not None
    assert settings.tls_server_config.client_ca_file == "ca.crt"
    assert settings.http_server_config.headers["X-Frame-Options"] == "deny"
    assert settings.basic_auth_users == {"alice": HASH}


def test_the_example_of_the_docs_is_taken(file: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs/web.md").read_text(), re.DOTALL)
    file.write_text(example)
    assert list(webconfig.load(file).basic_auth_users) == ["prometheus"]


def test_an_empty_file_asks_for_nothing(file: Path) -> None:
    file.write_text("")
    assert webconfig.load(file) == webconfig.WebSettings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "tls_server_config: {key: SECRET}",
            "tls_server_config.key: not supported here; write it into a file and name that as key_file",
        ),
        (
            "tls_server_config: {curve_preferences: [X25519]}",
            "tls_server_config.curve_preferences: not supported here; leave it out: the curves are OpenSSL's own"
            " choice",
        ),
        (
            "rate_limit: {burst: 1}",
            "rate_limit: not supported here; leave it out: scrapes at once are bounded by --web.max-requests",
        ),
        (
            "tls_server_config: {certfile: SECRET}",
            "tls_server_config.certfile: unknown key (did you mean 'cert_file'?); allowed here: cert_file,"
            " cipher_suites, client_auth_type, client_ca_file, key_file, max_version, min_version,"
            " prefer_server_cipher_suites",
        ),
        ("basic_auth_users: [SECRET]", "basic_auth_users: expected a mapping, got a list"),
        ("basic_auth_users: {alice: 12345}", "basic_auth_users[...]: expected text, got a whole number"),
        (
            "basic_auth_users: {alice: SECRET}",
            "basic_auth_users.alice: not a bcrypt hash; `htpasswd -nBC 10 alice` makes one",
        ),
        (
            f"basic_auth_users: {{alice: {HASH}SECRET}}",
            "basic_auth_users.alice: not a bcrypt hash; `htpasswd -nBC 10 alice` makes one",
        ),
        (
            "http_server_config: {headers: {Server: SECRET}}",
            "http_server_config.headers.Server: this header cannot be set; allowed here: Content-Security-Policy,"
            " Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, X-XSS-Protection",
        ),
        (
            "http_server_config: {headers: {X-Frame-Options: SECRET}}",
            "http_server_config.headers.X-Frame-Options: write deny or sameorigin",
        ),
        (
            'http_server_config: {headers: {X-XSS-Protection: "a\\r\\nSECRET: b"}}',
            "http_server_config.headers.X-XSS-Protection: write one line of ASCII",
        ),
        ("[SECRET]", "the file: expected a mapping, got a list"),
        ("a: [SECRET", "is not YAML: line 1, column 11: expected ',' or ']', but got '<stream end>'"),
    ],
)
def test_a_mistake_is_one_sentence_that_shows_no_value(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        webconfig.load(file)
    assert str(refused.value) == f"{file}: {said}"


def test_a_file_that_is_not_there_is_one_sentence(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file or directory"):
        webconfig.load(file)
