"""Who is on a port."""

import os
import socket
import subprocess
from collections.abc import Iterator

import pytest

from tools.backends.process import free_port
from tools.quickstart.ports import PortError, Ports, check, owner


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


def test_check_names_the_owner(listening: socket.socket) -> None:
    check(Ports.free())
    port = listening.getsockname()[1]
    with pytest.raises(PortError, match=rf"port {port} is in use by .* \(pid {os.getpid()}\)"):
        check(Ports(free_port(), free_port(), port, free_port()))


def test_a_port_that_is_only_connected_has_no_owner(listening: socket.socket) -> None:
    with socket.create_connection(listening.getsockname()) as client:
        assert owner(client.getsockname()[1]) == ""


def test_a_program_run_by_a_loader_goes_by_the_name_it_was_told(listening: socket.socket) -> None:
    command = ["/bin/sh", "-c", "read line", "--argv0", "/y/run/redis-server", "/y/redis-server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listening.fileno()]) as child:
        port = listening.getsockname()[1]
        listening.close()
        assert owner(port) == f"redis-server (pid {child.pid})"
        child.communicate()


def test_ports_follow_the_base() -> None:
    assert Ports.from_base(9100) == (9100, 9101, 9102, 9103)
