"""Takes a port as soon as it is free, and keeps it until it is ended: another program of a pod that wants the same port."""

import errno
import socket
import sys
import time


def main(port: int) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        print("waiting", flush=True)
        while True:
            try:
                taken.bind(("0.0.0.0", port))
                taken.listen()
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                time.sleep(0.001)
        while True:
            taken.accept()[0].close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
