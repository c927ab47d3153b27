"""Questions that people ask of a Redis, over the data set of tools/dataset, and the calls that answer them."""

from __future__ import annotations

from typing import Any

from tests.scenarios.question import Call, Question


def command(*words: str) -> Call:
    return "redis_command", {"command": list(words)}


def read(key: str, **more: Any) -> Call:
    return "redis_read", {"key": key, **more}


def transaction(*commands: list[str]) -> Call:
    return "redis_transaction", {"commands": list(commands)}


QUESTIONS = (
    Question(
        "Which release of Redis is this, and is it a master?",
        [("redis_info", {})],
        lambda r: (r[0]["version"].split(".")[0], r[0]["role"]),
        ("redis 7", "master"),
        [("info", {"section": "server"}), ("info", {"section": "replication"})],
        ["7.0.", "master"],
    ),
    Question(
        "How many keys are there?",
        [command("DBSIZE")],
        lambda r: r[0]["reply"],
        5289,
        [("dbsize", {})],
        ["5289"],
    ),
    Question(
        "What groups of keys are there, and which of them has most memory?",
        [("redis_profile", {})],
        lambda r: r[0]["groups"][0]["prefix"],
        "package:*",
    ),
    Question(
        "In which section is nginx?",
        [read("package:nginx", field="section")],
        lambda r: r[0]["value"],
        "httpd",
        [("hget", {"name": "package:nginx", "key": "section"})],
        ["httpd"],
    ),
    Question(
        "What is known of the package curl?",
        [read("package:curl")],
        lambda r: {f["field"]: f["value"] for f in r[0]["fields"]}["section"],
        "web",
        [("hgetall", {"name": "package:curl"})],
        ["web"],
    ),
    Question(
        "Which versions have nginx, curl and redis-server?",
        [command("HGET", f"package:{name}", "version") for name in ("nginx", "curl", "redis-server")],
        lambda r: [result["reply"].split(".")[0] for result in r],
        ["1", "7", "5:7"],
        [("hget", {"name": f"package:{name}", "key": "version"}) for name in ("nginx", "curl", "redis-server")],
        ["1.22", "7.88", "5:7.0"],
    ),
    Question(
        "How many packages are in the section of databases?",
        [command("SCARD", "section:database")],
        lambda r: r[0]["reply"],
        245,
        [("smembers", {"name": "section:database"})],
        ["redis-server"],
    ),
    Question(
        "Which web servers are there?",
        [read("section:httpd", limit=1000)],
        lambda r: (len(r[0]["items"]), {"apache2", "lighttpd", "nginx"} <= set(r[0]["items"])),
        (152, True),
        [("smembers", {"name": "section:httpd"})],
        ["nginx"],
    ),
    Question(
        "Which five packages are the largest?",
        [command("ZREVRANGE", "packages:by_size", "0", "4", "WITHSCORES")],
        lambda r: r[0]["reply"][::2],
        ["ssg-nondebian", "thunderbird", "firefox-esr", "chromium", "ansible"],
        [("zrange", {"key": "packages:by_size", "start": -5, "end": -1, "with_scores": True})],
        ["ssg-nondebian", "thunderbird", "firefox-esr", "chromium", "ansible"],
    ),
    Question(
        "How large is nginx when it is installed?",
        [command("ZSCORE", "packages:by_size", "nginx")],
        lambda r: r[0]["reply"],
        "1336",
        [("hget", {"name": "package:nginx", "key": "installed_kib"})],
        ["1336"],
    ),
    Question(
        "The how many largest is curl?",
        [command("ZREVRANK", "packages:by_size", "curl")],
        lambda r: r[0]["reply"],
        1762,  # counted from 0
    ),
    Question(
        "How many packages have between 100 and 200 MiB?",
        [command("ZCOUNT", "packages:by_size", "102400", "204800")],
        lambda r: r[0]["reply"],
        6,
    ),
    Question(
        "Is a package both in the section web and in httpd?",
        [command("SINTERCARD", "2", "section:web", "section:httpd")],
        lambda r: r[0]["reply"],
        0,
        [("smembers", {"name": "section:web"}), ("smembers", {"name": "section:httpd"})],
        ["curl", "nginx"],
    ),
    Question(
        "How many jobs are in the stream of indexing jobs?",
        [("redis_stream", {"key": "jobs:index"})],
        lambda r: r[0]["stream"]["length"],
        500,
        [("xrange", {"key": "jobs:index", "count": 1000})],
        ["'action': 'index'"],
    ),
    Question(
        "How many jobs wait, and how many has each worker taken and not finished?",
        [
            ("redis_stream", {"key": "jobs:index"}),
            ("redis_stream", {"key": "jobs:index", "group": "workers", "limit": 1}),
        ],
        lambda r: (r[0]["groups"][0]["lag"], {c["name"]: c["pending"] for c in r[1]["consumers"]}),
        (50, {"worker-0": 0, "worker-1": 30}),
    ),
    Question(
        "Which job is in work for the longest?",
        [
            ("redis_stream", {"key": "jobs:index", "group": "workers", "limit": 1}),
            lambda r: command("XRANGE", "jobs:index", r[0]["pending"][0]["id"], r[0]["pending"][0]["id"]),
        ],
        lambda r: r[1]["reply"][0][1][0],
        "package",
    ),
    Question(
        "What do the jobs look like?",
        [read("jobs:index", limit=3)],
        lambda r: [f["field"] for f in r[0]["entries"][0]["fields"]],
        ["package", "version", "action"],
        [("xrange", {"key": "jobs:index", "count": 3})],
        ["package", "version", "action"],
    ),
    Question(
        "Which jobs failed, and why?",
        [read("jobs:failed")],
        lambda r: len(r[0]["items"]) == 5 and "timeout" in r[0]["items"][0],
        True,
        [("lrange", {"name": "jobs:failed", "start": 0, "stop": -1})],
        ["timeout"],
    ),
    Question(
        "How many jobs failed?",
        [command("LLEN", "jobs:failed")],
        lambda r: r[0]["reply"],
        5,
        [("llen", {"name": "jobs:failed"})],
        ["5"],
    ),
    Question(
        "When was the last run, and how many jobs are done?",
        [command("MGET", "jobs:last_run", "jobs:done")],
        lambda r: r[0]["reply"],
        ["2026-11-24T09:30:00Z", "420"],
        [("get", {"key": "jobs:last_run"}), ("get", {"key": "jobs:done"})],
        ["2026-11-24T09:30:00Z", "420"],
    ),
    Question(
        "Which results are cached, and when do they expire?",
        [("redis_scan", {"pattern": "cache:*"})],
        lambda r: {k["key"]: 0 < k["ttl_s"] <= 86_400 for k in r[0]["keys"]},
        {"cache:largest": True, "cache:sections": True},
    ),
    Question(
        "Who holds the lock of reindexing?",
        [read("lock:reindex")],
        lambda r: r[0]["value"],
        "worker-1",
        [("get", {"key": "lock:reindex"})],
        ["worker-1"],
    ),
    Question(
        "Which keys take most memory?",
        [("redis_scan", {"order": "memory", "limit": 2})],
        lambda r: r[0]["keys"][0]["key"],
        "packages:by_size",
    ),
    Question(
        "From how many microseconds on is a command logged as slow?",
        [("redis_diagnose", {"topic": "slowlog", "limit": 1})],
        lambda r: r[0]["summary"]["threshold_microseconds"],
        10_000,
    ),
    Question(
        "Since which release is there XAUTOCLAIM, and what does it do?",
        [("redis_command_docs", {"command": "XAUTOCLAIM"})],
        lambda r: r[0]["since"],
        "6.2.0",
    ),
    Question(
        "What does Redis do when its memory is full?",
        [("redis_info", {})],
        lambda r: r[0]["memory"]["policy"],
        "noeviction",
        [("info", {"section": "memory"})],
        ["noeviction"],
    ),
    Question(
        "Add a job that indexes curl again.",
        [("redis_write", {"key": "jobs:index", "type": "stream", "value": {"package": "curl", "action": "index"}})],
        lambda r: r[0]["length"],
        501,
        [("xadd", {"key": "jobs:index", "fields": {"package": "curl", "action": "index"}})],
        ["Successfully added"],
    ),
    Question(
        "Take the lock of cleaning for a minute, unless somebody has it.",
        [("redis_write", {"key": "lock:clean", "value": "me", "condition": "absent", "ttl_s": 60})],
        lambda r: r[0]["created"],
        True,
    ),
    Question(
        "Acknowledge the job that is in work for the longest.",
        [
            ("redis_stream", {"key": "jobs:index", "group": "workers", "limit": 1}),
            lambda r: transaction(["XACK", "jobs:index", "workers", r[0]["pending"][0]["id"]]),
        ],
        lambda r: r[1]["replies"],
        [1],
    ),
    Question(
        "Forget what is cached.",
        [
            ("redis_delete_matching", {"pattern": "cache:*"}),
            lambda r: ("redis_delete_matching", {"pattern": "cache:*", "confirm": r[0]["confirm"]}),
        ],
        lambda r: r[1]["deleted"],
        2,
        [
            ("scan_all_keys", {"pattern": "cache:*"}),
            ("delete", {"key": "cache:largest"}),
            ("delete", {"key": "cache:sections"}),
        ],
        ["cache:largest", "Successfully deleted cache:sections"],
    ),
)
