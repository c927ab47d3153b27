"""Takes a port as soon as it is free, and keeps it for some seconds: another program of a pod that wants the same port."""

from __future__ import annotations

import socket
import sys
import time


def main(port: int, seconds: float) -> None:
    end = time.monotonic() + 120
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        while True:
            try:
                taken.bind(("0.0.0.0", port))
                taken.listen()
                break
            except OSError:
                if time.monotonic() > end:
                    sys.exit(f"port {port} did not become free")
                time.sleep(0.001)
        taken.settimeout(0.5)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                taken.accept()[0].close()
            except TimeoutError:
                pass


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
