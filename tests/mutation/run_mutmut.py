"""mutmut's own command, after the SQLite that one of its libraries imports: the Python here comes without."""

import ctypes

from tools.backends.runfiles import program

ctypes.CDLL(str(program("LIBSQLITE3")))

from mutmut.__main__ import cli  # noqa: E402 - it imports sqlite3

if __name__ == "__main__":
    cli()
