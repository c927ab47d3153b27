"""Who is on a port, read from a proc folder."""

import os
import socket
from pathlib import Path

import pytest

from tools.quickstart.ports import PortError, Ports, check, owner

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0
   1: 0100007F:2329 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100 0 0 10 0
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(TABLE)
    (tmp_path / "17/fd").mkdir(parents=True)
    (tmp_path / "17/comm").write_text("nginx\n")
    (tmp_path / "17/cmdline").write_text("nginx: master process\0")
    (tmp_path / "17/fd/3").symlink_to("socket:[4242]")
    (tmp_path / "self").mkdir()
    return tmp_path


def test_the_owner_of_a_listening_port(proc: Path) -> None:
    assert owner(9000, proc) == "nginx (pid 17)"


def test_a_program_run_by_a_loader_goes_by_the_name_it_was_told(proc: Path) -> None:
    (proc / "17/comm").write_text("ld-linux-x86-64\n")
    (proc / "17/cmdline").write_text("/x/ld-linux\0--argv0\0/y/run/redis-server\0/y/redis-server\0redis.conf\0")
    assert owner(9000, proc) == "redis-server (pid 17)"


def test_a_port_that_is_only_connected_has_no_owner(proc: Path) -> None:
    assert owner(9001, proc) == ""


def test_a_process_that_may_not_be_looked_at_stays_unnamed(proc: Path) -> None:
    (proc / "17/fd/3").unlink()
    assert owner(9000, proc) == ""


def test_check_names_the_real_owner() -> None:
    ports = Ports.free()
    check(ports)
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", ports.redis))
        occupant.listen()
        with pytest.raises(PortError, match=rf"port {ports.redis} is in use by .* \(pid {os.getpid()}\)"):
            check(ports)


def test_ports_follow_the_base() -> None:
    assert Ports.from_base(9100).all() == [9100, 9101, 9102, 9103]
