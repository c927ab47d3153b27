"""The memory of the server while many calls get answers that are made to take much of it."""

import gzip
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from servers.elasticsearch.tests.conftest import call
from servers.elasticsearch.tests.fakes import ROOT, Answer, FakeNode, Request
from tools.backends.sidecar import Sidecar

CALLS = 64

MOST = 72
"""MiB that a server may take beside what it has at start, which is 56 MiB in the image: 128 MiB together."""

SETTINGS = {
    # What is derived from a control group of 128 MiB, and the image's own.
    "MCP_MEMORY_BUDGET_BYTES": str(24 * 1024 * 1024),
    "MALLOC_MMAP_THRESHOLD_": str(1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(4 * 1024 * 1024),
}


def document(source: str, id: str = "1") -> bytes:
    return f'{{"_index":"a","_id":"{id}","_seq_no":1,"_primary_term":1,"found":true,"_source":{source}}}'.encode()


def zipped(source: str) -> Answer:
    return Answer(200, gzip.compress(document(source), 1), headers={"Content-Encoding": "gzip"})


ANSWERS: dict[str, Callable[[], Answer]] = {
    "text": lambda: Answer(200, document(json.dumps({"t": "x" * 3_900_000}))),
    "wide text": lambda: Answer(200, document('{"t":"' + "x" * 2_500_000 + '😀"}')),
    "objects": lambda: Answer(200, document('{"t":[' + ",".join(["{}"] * 40_000) + "]}")),
    "too many objects": lambda: Answer(200, document('{"t":[' + ",".join(["{}"] * 1_200_000) + "]}")),
    "too long": lambda: Answer(200, document(json.dumps({"t": "x" * 8_000_000}))),
    "bomb": lambda: zipped('{"t":"' + "x" * 50_000_000 + '"}'),
    "fields": lambda: Answer(200, document(json.dumps({f"key{i:06}": i for i in range(40_000)}))),
}


TOO_MUCH = ("too many objects", "too long", "bomb")


def test_no_answers_take_more_than_the_chart_allows(tmp_path: Path) -> None:
    answers = {name: made() for name, made in ANSWERS.items()}

    def answer(request: Request) -> Answer:
        name = request.path.partition("?")[0].rpartition("/")[2].replace("%20", " ")
        return answers.get(name, ROOT)

    with FakeNode(answer) as fake:
        env = SETTINGS | {"ES_HOST": "127.0.0.1", "ES_PORT": str(fake.port)}
        with Sidecar("servers.elasticsearch", env, tmp_path) as sidecar, ThreadPoolExecutor(CALLS) as threads:
            idle = sidecar.status("VmHWM")
            for name in answers:

                def ask(_: int, name: str = name) -> dict[str, Any]:
                    return call(sidecar, "es_get", index="a", id=name)

                found = list(threads.map(ask, range(CALLS)))
                # On a slow machine some calls get no memory until their deadline.
                refused = ("ask for fewer",) if name in TOO_MUCH else ("try again", "no answer within")
                errors = [result["content"][0]["text"] for result in found if result["isError"]]
                assert all(any(part in text for part in refused) for text in errors), (name, errors)
                assert len(errors) == CALLS if name in TOO_MUCH else len(errors) < CALLS, name
                assert sidecar.status("VmHWM") - idle < MOST, name
            assert sidecar.get("/health")[0] == 200
