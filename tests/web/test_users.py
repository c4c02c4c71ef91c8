"""Basic authentication against bcrypt hashes."""

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
import yaml

from tests.web.serving import Reply, Served, serving
from trainwarden.web import users

PASSWORD = "correct horse: battery"


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "web.yml"
    headers = {"X-Content-Type-Options": "nosniff"}
    known = {"prometheus": hashed(PASSWORD), "alice": hashed("ä" * 40).replace("$2b$", "$2y$")}
    file.write_text(yaml.safe_dump({"basic_auth_users": known, "http_server_config": {"headers": headers}}))
    return file


@pytest.fixture
def served(file: Path) -> Iterator[Served]:
    with serving(web_config_file=str(file)) as served:
        yield served


def get(served: Served, user: str, password: str, path: str = "/metrics") -> Reply:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return served.get(path, Authorization=f"Basic {pair}")


def test_a_user_with_the_right_password_comes_in(served: Served) -> None:
    assert get(served, "prometheus", PASSWORD).status == 200
    assert get(served, "alice", "ä" * 40).status == 200, "longer than bcrypt looks, and hashed by htpasswd"


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/ready", "/nowhere"])
def test_without_one_every_path_is_401_with_a_challenge(served: Served, path: str) -> None:
    refused = served.get(path)
    assert (refused.status, refused.text) == (401, "User or password is missing or wrong.\n")
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="trainwarden", charset="UTF-8"'
    assert refused.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("prometheus", ""),
        ("prometheus", PASSWORD + "x"),
        ("prometheus", PASSWORD[:-1]),
        ("prometheus", f"\0{PASSWORD}"),
        ("Prometheus", PASSWORD),
        ("", PASSWORD),
        ("nobody", PASSWORD),
        ("nobody", "ä" * 40),
        ("alice", PASSWORD),
        ("prometheus", "correct horse"),
    ],
)
def test_a_wrong_pair_is_401(served: Served, user: str, password: str) -> None:
    assert get(served, user, password).status == 401


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !", "Basic YQ", "Bearer YTpi", "basic w6Q6", "YTpi", "Basic " + "A" * 8000]
)
def test_a_header_that_is_none_is_401(served: Served, header: str) -> None:
    assert served.get("/metrics", Authorization=header).status == 401


def test_refusals_are_counted_and_leave_no_word_in_the_log(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for _ in range(3):
        get(served, "prometheus", "a wrong guess")
    found = get(served, "prometheus", PASSWORD).text
    assert 'trainwarden_http_requests_total{code="401"} 3.0' in found
    assert caplog.text == ""


def test_bcrypt_is_paid_once_for_a_pair_that_was_right(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    check = bcrypt.checkpw

    def counting(password: bytes, hashed_password: bytes) -> bool:
        asked.append(password)
        return check(password, hashed_password)

    monkeypatch.setattr(users.bcrypt, "checkpw", counting)
    for _ in range(5):
        assert get(served, "prometheus", PASSWORD).status == 200
    assert len(asked) == 1
    for _ in range(2):
        assert get(served, "nobody", PASSWORD).status == 401
    assert len(asked) == 3, "an unknown user costs what a known one does"


def test_only_so_many_pairs_are_remembered_and_no_password_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "_REMEMBERED", 2)
    known = users.Users({name: hashed(name) for name in "abc"})
    for name in "abca":
        known.admit({"authorization": "Basic " + base64.b64encode(f"{name}:{name}".encode()).decode()})
    assert len(known._verified) == 2
    assert {len(digest) for digest in known._verified} == {64}


def test_a_new_password_counts_from_the_next_request_on_even_on_a_kept_connection(served: Served, file: Path) -> None:
    assert get(served, "prometheus", PASSWORD).status == 200
    file.write_text(yaml.safe_dump({"basic_auth_users": {"prometheus": hashed("new")}}))
    assert get(served, "prometheus", PASSWORD).status == 401
    assert get(served, "prometheus", "new").status == 200


def test_a_file_that_is_half_written_changes_nothing_and_is_complained_of_once(
    served: Served, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text("basic_auth_users: {prometheus: $2y")
    for _ in range(3):
        assert get(served, "prometheus", PASSWORD).status == 200
        assert get(served, "prometheus", "").status == 401
    [complaint] = caplog.records
    assert complaint.getMessage().startswith(f"{file}: is not YAML: line 1, column ")
    assert complaint.getMessage().endswith("; what was in force before stays in force")
    assert "$2y" not in caplog.text
