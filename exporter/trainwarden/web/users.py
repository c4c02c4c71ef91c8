"""Who may come in: HTTP's basic authentication against bcrypt hashes. Imported only where there are users."""

import base64
import binascii
import hashlib
import os
import threading
from collections.abc import Mapping
from http import HTTPStatus

import bcrypt

from trainwarden.web.answer import Refused

_REMEMBERED = 100
"""Verified pairs that are kept: bcrypt is made to cost tens of milliseconds, which no scrape should cost each time."""


class Users:
    """The users of one web configuration, and who of them has shown the right password before."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self.hashes = hashes
        self._hashes = {user.encode(): hashed.encode() for user, hashed in hashes.items()}
        self._some_hash = next(iter(self._hashes.values()))
        self._secret = os.urandom(32)
        self._lock = threading.Lock()
        self._verified: dict[bytes, None] = {}
        """Digests, so that no password stays in memory; the oldest goes first."""

    def admit(self, headers: Mapping[str, str]) -> None:
        """Raise ``Refused`` unless the request's headers name a user with the right password."""
        user, password = _credentials(headers.get("authorization", ""))
        if not self._knows(user, password):
            challenge = {"WWW_Authenticate": 'Basic realm="trainwarden", charset="UTF-8"'}
            raise Refused(HTTPStatus.UNAUTHORIZED, "User or password is missing or wrong.", **challenge)

    def _knows(self, user: bytes, password: bytes) -> bool:
        digest = hashlib.blake2b(len(user).to_bytes(4, "big") + user + password, key=self._secret).digest()
        if digest in self._verified:
            return True
        with self._lock:  # one at a time, so that wrong passwords take no more than one core from the training
            # An unknown user costs as much time as a known one: nobody shall find out who there is.
            right = _matches(password, self._hashes.get(user, self._some_hash)) and user in self._hashes
            if right:
                self._remember(digest)
        return right

    def _remember(self, digest: bytes) -> None:
        if len(self._verified) >= _REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = None


def _matches(password: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:72], hashed)  # bcrypt never looks further, and this library refuses more
    except ValueError:
        return False


def _credentials(authorization: str) -> tuple[bytes, bytes]:
    kind, _, given = authorization.partition(" ")
    if kind.lower() != "basic":
        return b"", b""
    try:
        user, _, password = base64.b64decode(given.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return b"", b""
    return user, password
