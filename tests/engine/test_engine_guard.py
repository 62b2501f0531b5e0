"""The guard keeps the rehearsal on this machine."""

import socket

import pytest

from rehearsal.engine import NotLoopbackError, guard


@pytest.fixture(autouse=True)
def _guarded() -> None:
    guard.install()


@pytest.mark.parametrize("address", ["192.0.2.1", "31.97.159.7", "10.0.0.1", "0.0.0.0"])
def test_a_connection_off_this_machine_is_refused_by_name(address: str) -> None:
    with socket.socket() as one, pytest.raises(NotLoopbackError, match=address):
        one.connect((address, 80))


def test_a_datagram_off_this_machine_is_refused() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as one, pytest.raises(NotLoopbackError):
        one.sendto(b"x", ("192.0.2.1", 53))


def test_an_ipv6_address_off_this_machine_is_refused() -> None:
    with (
        socket.socket(socket.AF_INET6) as one,
        pytest.raises(NotLoopbackError, match="2001:db8::1"),
    ):
        one.connect(("2001:db8::1", 80))


def test_a_name_is_not_looked_up() -> None:
    with pytest.raises(NotLoopbackError, match=r"mail\.example\.com"):
        socket.getaddrinfo("mail.example.com", 443)


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()
        socket.create_connection(("localhost", port)).close()
        with socket.socket(type=socket.SOCK_DGRAM) as one:
            one.sendto(b"x", ("127.0.0.1", port))
