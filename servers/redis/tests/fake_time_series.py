"""A Redis with time series, as far as its answers' bytes go.

The module needs OpenSSL 1.1, which Debian 12 has not. The answers are written after the examples of
https://redis.io/docs/latest/commands/ts.info/, https://redis.io/docs/latest/commands/ts.range/ and
https://redis.io/docs/latest/commands/ts.revrange/.
"""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SAMPLES = ((0, b"1.5"), (2000, b"2"), (3000, b"inf"))


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while words := _read(self.rfile):
            self.wfile.write(_encode(_answer(words)))


@contextmanager
def fake_time_series() -> Iterator[int]:
    """Answer on the loopback port that is yielded."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def _answer(words: list[bytes]) -> Any:
    match [words[0].upper(), *words[1:]]:
        case [b"COMMAND", b"INFO", *names]:
            return [[b"ts.get", 2, [b"readonly"], 1, 1, 1, []] if name == b"TS.GET" else None for name in names]
        case [b"TYPE", _]:
            return b"TSDB-TYPE"
        case [b"TS.INFO", _]:
            return [b"totalSamples", 3, b"retentionTime", 0, b"labels", [[b"host", b"a"]]]
        case [b"TS.RANGE" | b"TS.REVRANGE" as name, _, start, end, b"COUNT", count]:
            first, last = 0 if start == b"-" else int(start), 9999 if end == b"+" else int(end)
            samples = [(time, value) for time, value in SAMPLES if first <= time <= last]
            return [list(sample) for sample in samples[:: 1 if name == b"TS.RANGE" else -1][: int(count)]]
        case [b"OBJECT", b"ENCODING", _]:
            return b"raw"
        case [b"PTTL", _]:
            return -1
    return b"OK"


def _read(stream: Any) -> list[bytes]:
    line = stream.readline()
    if not line:
        return []
    words = []
    for _ in range(int(line[1:])):
        length = int(stream.readline()[1:])
        words.append(stream.read(length + 2)[:-2])
    return words


def _encode(value: Any) -> bytes:
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(_encode, value))
    if value in (b"OK", b"TSDB-TYPE"):
        return b"+%b\r\n" % value
    return b"$%d\r\n%b\r\n" % (len(value), value)
