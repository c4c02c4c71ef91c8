"""Ports: the usual ones, given ones, and what is said of one that is taken."""

import socket
from collections.abc import Iterator

import pytest

from tests.support.ports import free_port
from trainwarden.errors import StackError
from trainwarden.stack import ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_usual_ports_are_taken_where_they_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: True)
    assert ports.choose({}) == ports.USUAL


def test_a_free_port_replaces_a_usual_one_in_use(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ports.USUAL, "prometheus", taken)
    chosen = ports.choose({})
    assert chosen["prometheus"] != taken
    assert ports.is_free(chosen["prometheus"])
    assert len(set(chosen.values())) == len(chosen)


def test_a_given_port_is_taken_as_it_is() -> None:
    port = free_port()
    assert ports.choose({"exporter": port})["exporter"] == port


def test_a_given_port_that_is_usual_for_another_service_sends_that_one_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: True)
    chosen = ports.choose({"exporter": 9090})
    assert chosen["exporter"] == 9090
    assert chosen["prometheus"] != 9090


def test_a_given_port_in_use_is_named_with_its_option(taken: int) -> None:
    with pytest.raises(StackError) as caught:
        ports.choose({"prometheus": taken})
    assert str(caught.value) == (
        f"--prometheus-port {taken}: the port is in use; give another, or none to have a free one taken"
    )


def test_one_port_given_to_two_services_is_refused() -> None:
    port = free_port()
    with pytest.raises(StackError, match=f"--receiver-port {port}: the port is --exporter-port already"):
        ports.choose({"exporter": port, "receiver": port})
