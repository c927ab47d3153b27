"""The embedded node itself."""

import signal
import urllib.error
from pathlib import Path

import pytest

from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.process import StartError, accepts


def test_it_serves_and_leaves_nothing() -> None:
    with ElasticsearchNode(cluster="mine", settings={"node.attr.rack": "r1"}) as node:
        pid, folder = node.pid, node.folder
        assert node.request("GET", "/_cluster/health")["cluster_name"] == "mine"
        (info,) = node.request("GET", "/_nodes")["nodes"].values()
        assert info["version"] == "8.11.4"
        assert info["attributes"]["rack"] == "r1"
        node.request("PUT", "/a/_doc/1?refresh=true", {"text": "a quick fox"})
        node.request("POST", "/_bulk?refresh=true", '{"index":{"_index":"a","_id":"2"}}\n{"text":"a lazy dog"}\n')
        hits = node.request("POST", "/a/_search", {"query": {"match": {"text": "dog"}}})["hits"]["hits"]
        assert [hit["_id"] for hit in hits] == ["2"]
        with pytest.raises(urllib.error.HTTPError):
            node.request("GET", "/missing/_doc/1")
        node.signal(signal.SIGTERM)
        assert node.wait(120) == 128 + signal.SIGTERM, "it closes by itself, and is not killed"
    assert not Path(f"/proc/{pid}").exists()
    assert not folder.exists()
    assert not accepts(node.port)


def test_it_listens_on_loopback_only() -> None:
    with ElasticsearchNode() as node:
        inodes = {str(fd.readlink()) for fd in Path(f"/proc/{node.pid}/fd").iterdir() if fd.is_symlink()}
        listening = set()
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                    listening.add(fields[1].split(":")[0])
    # 127.0.0.1, plain and mapped into IPv6, in the kernel's byte order.
    assert listening and listening <= {"0100007F", "0000000000000000FFFF00000100007F"}


def test_a_failure_to_start_tells_the_end_of_the_log() -> None:
    node = ElasticsearchNode(settings={"no.such.setting": 1})
    expected = r"(?s)elasticsearch ended with exit code 1:.*unknown setting \[no.such.setting\]"
    with pytest.raises(StartError, match=expected), node:
        pass
    assert not node.running
    assert not node.folder.exists()


def test_a_port_in_use_ends_the_start() -> None:
    with ElasticsearchNode() as first:
        second = ElasticsearchNode(first.port)
        with pytest.raises(StartError, match="Address already in use"), second:
            pass
