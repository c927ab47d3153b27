"""A Redis 8 with its query engine, JSON and time series, as far as its answers' bytes go.

What is real here, Redis from Debian and RediSearch 1.2, has no vectors, no documents in JSON and no time series. The answers
are written after the examples of https://redis.io/docs/latest/commands/ (FT.INFO, FT.SEARCH, JSON.GET, TS.RANGE).
"""

from __future__ import annotations

import socketserver
import threading
from types import TracebackType
from typing import Any

COMMANDS = {
    b"FT.SEARCH": [b"readonly"],
    b"FT.AGGREGATE": [b"readonly"],
    b"FT.CREATE": [b"write", b"denyoom"],
    b"JSON.GET": [b"readonly"],
    b"JSON.SET": [b"write", b"denyoom"],
    b"TS.GET": [b"readonly"],
    b"VSIM": [b"readonly"],
}

INDEX = [
    b"index_name", b"docs",
    b"index_options", [],
    b"index_definition", [b"key_type", b"HASH", b"prefixes", [b"doc:"], b"default_score", b"1"],
    b"attributes", [
        [b"identifier", b"title", b"attribute", b"title", b"type", b"TEXT", b"WEIGHT", b"1", b"SORTABLE"],
        [b"identifier", b"$.v", b"attribute", b"v", b"type", b"VECTOR", b"algorithm", b"HNSW", b"data_type", b"FLOAT32",
         b"dim", 3, b"distance_metric", b"COSINE", b"M", 16, b"ef_construction", 200],
    ],
    b"num_docs", b"2",
    b"hash_indexing_failures", 0,
]  # fmt: skip


class FakeQueryEngine:
    """Answers on a loopback port, and keeps what it was sent. Use it with `with`."""

    def __init__(self) -> None:
        self.sent: list[list[bytes]] = []
        fake = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while words := _read(self.rfile):
                    self.wfile.write(_encode(fake.answer(words)))

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> FakeQueryEngine:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _in_transaction(self) -> bool:
        """Return whether the last MULTI still waits for its EXEC."""
        names = [words[0] for words in self.sent]
        return b"MULTI" in names and b"EXEC" not in names[names.index(b"MULTI") :]

    def answer(self, words: list[bytes]) -> Any:
        name = words[0].upper()
        self.sent.append([name, *words[1:]])
        match [name, *words[1:]]:
            case [b"INFO", *_]:
                return b"redis_version:8.0.0\r\nrun_id:1\r\n"
            case [b"COMMAND", b"INFO", *names]:
                return [[n.lower(), -2, COMMANDS[n], 1, 1, 1, []] if n in COMMANDS else None for n in names]
            case [b"FT._LIST"]:
                return [b"docs", b"gone"]
            case [b"FT.INFO", b"docs"]:
                return INDEX
            case [b"FT.INFO", *_]:
                return ValueError("gone: no such index")
            case [b"FT.SEARCH", *_]:
                return [7, b"doc:1", [b"vector_distance", b"0.25", b"title", b"One", b"v", b"\0\0\x80?" * 3, b"token", b"t"],
                        b"doc:2", [b"title", b"Two"]]  # fmt: skip
            case [b"FT.AGGREGATE", *_]:
                return [2, [b"title", b"One", b"n", b"5"], [b"title", b"Two", b"n", b"2"]]
            case _ if name not in (b"MULTI", b"EXEC", b"PING") and self._in_transaction():
                return b"QUEUED"
            case [b"TYPE", key]:
                return {b"doc": b"ReJSON-RL", b"ts": b"TSDB-TYPE"}.get(key, b"none")
            case [b"PTTL", _]:
                return -1
            case [b"JSON.GET", _]:
                return b'{"a":[1,2],"b":"x"}'
            case [b"TS.INFO", _]:
                return [b"totalSamples", 3, b"retentionTime", 0, b"labels", [[b"host", b"a"]]]
            case [b"TS.RANGE", _, start, *_]:
                first = 0 if start == b"-" else int(start)
                return [
                    [time, value] for time, value in ((1000, b"1.5"), (2000, b"2"), (3000, b"inf")) if time >= first
                ]
            case [b"OBJECT", b"ENCODING", _]:
                return b"raw"
            case [b"EXEC"]:
                queued = len(self.sent) - 2 - [words[0] for words in self.sent].index(b"MULTI")
                return [b"none", *[b"OK"] * (queued - 1)]
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
    if isinstance(value, Exception):
        return b"-%b\r\n" % str(value).encode()
    if value in (b"OK", b"QUEUED") or value in (b"ReJSON-RL", b"TSDB-TYPE", b"none"):
        return b"+%b\r\n" % value
    return b"$%d\r\n%b\r\n" % (len(value), value)
