"""Reading requests: strict, and whatever comes is answered with a 4xx while the server goes on."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.serving import Served, serving
from trainwarden.web import request
from trainwarden.web.answer import Refused


def test_a_head_is_read_as_it_stands() -> None:
    head = request.parse(b"GET /metrics?x=%20 HTTP/1.1\r\nHost: a:1\r\nACCEPT:  text/plain \r\naccept:\t*/*\r\nEmpty:")
    assert head == ("GET", "/metrics", 1, {"host": "a:1", "accept": "text/plain, */*", "empty": ""})


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET",
        b"GET /",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET / HTTP/2.0",
        b"GET / http/1.1",
        b"GET /\xe4 HTTP/1.1",
        b"G@T / HTTP/1.1",
        b"GET / HTTP/1.1\nHost: a",
        b"GET / HTTP/1.1\r\nno colon",
        b"GET / HTTP/1.1\r\n: no name",
        b"GET / HTTP/1.1\r\nHost : a",
        b"GET / HTTP/1.1\r\nA: b\r\n folded",
        b"GET / HTTP/1.1\r\nA: b\rc",
        b"GET / HTTP/1.1\r\nA: \x00",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1",
        b"GET / HTTP/1.1\r\nAuthorization: a\r\nAuthorization: b",
    ],
)
def test_what_another_server_might_read_differently_is_refused(head: bytes) -> None:
    with pytest.raises(Refused) as refused:
        request.parse(head)
    assert refused.value.answer.status == 400


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(head: bytes) -> None:
    try:
        request.parse(head)
    except Refused as refused:
        assert 400 <= refused.answer.status < 500


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as served:
        yield served


_NAMES = st.sampled_from(
    [b"Host", b"Content-Length", b"Transfer-Encoding", b"Expect", b"Connection", b"Accept", b"\xff"]
)
_HEADERS = st.lists(st.tuples(_NAMES, st.binary(max_size=12)), max_size=4)
_METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"get", b""]) | st.binary(max_size=6)
_PATHS = st.sampled_from([b"/", b"/metrics", b"/-/ready", b"*", b"http://x/"]) | st.binary(max_size=12)
_VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTCPCP/1.0"]) | st.binary(max_size=8)


@st.composite
def almost_requests(draw: st.DrawFn) -> bytes:
    line = b" ".join((draw(_METHODS), draw(_PATHS), draw(_VERSIONS)))
    headers = b"".join(name + b": " + value + b"\r\n" for name, value in draw(_HEADERS))
    return line + b"\r\n" + headers + b"\r\n" + draw(st.binary(max_size=30))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(almost_requests() | st.binary(max_size=200))
def test_whatever_is_sent_is_answered_with_2xx_or_4xx_and_the_server_goes_on(served: Served, sent: bytes) -> None:
    answer = served.raw(sent)
    lines = [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert not answer or lines[0] == answer.split(b"\r\n")[0]
    assert all(line.split()[1][:1] in (b"1", b"2", b"4") for line in lines)
    assert served.get("/-/healthy").status == 200
