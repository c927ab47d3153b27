"""What a shop leaves in Elasticsearch: orders, and the log of its services, made by rule, so that each run has the same.

The story that they tell: on 24 November 2026 from 09:00 to 10:00 payments answered too late, so checkout failed.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

LOGS = "logs-2026.11."
"""And the day."""

ORDERS = "orders"

DAYS = range(11, 25)
EVENTS = 720
"""A day, one every two minutes; checkout is asked at each fourth."""

LOGS_MAPPING: dict[str, Any] = {
    "properties": {
        "@timestamp": {"type": "date"},
        "service": {"type": "keyword"},
        "host": {"type": "keyword"},
        "level": {"type": "keyword"},
        "message": {"type": "text"},
        "status": {"type": "short"},
        "duration_ms": {"type": "integer"},
        "client": {"type": "ip"},
        "error": {"properties": {"type": {"type": "keyword"}, "stack": {"type": "text"}}},
    }
}

ORDERS_MAPPING: dict[str, Any] = {
    "properties": {
        "placed": {"type": "date"},
        "state": {"type": "keyword"},
        "customer": {"properties": {"id": {"type": "keyword"}, "country": {"type": "keyword"}}},
        "total": {"type": "double"},
        "note": {"type": "text"},
        "lines": {
            "type": "nested",
            "properties": {
                "sku": {"type": "keyword"},
                "name": {"type": "text"},
                "quantity": {"type": "integer"},
                "price": {"type": "double"},
            },
        },
    }
}

_SERVICES = ("checkout", "catalog", "search", "accounts")
_GOODS = (
    ("kettle", 29.5),
    ("red teapot", 18.0),
    ("mug", 6.5),
    ("tea towel", 4.25),
    ("toaster", 44.0),
    ("red mug", 7.0),
)
_NOTES = ("", "", "", "please gift wrap", "leave at the door", "call before delivery")
_STATES = ("shipped", "shipped", "shipped", "shipped", "open", "returned")
_STACK = "\n".join(
    ["TimeoutError: payments did not answer within 3000 ms"]
    + [f"    at step{n} (/srv/checkout/pipeline.js:{100 + n}:7)" for n in range(40)]
)


def events() -> Iterator[tuple[str, dict[str, Any]]]:
    """Events of the log in the order of their time, each with the name of its index."""
    random = Random(20261124)
    trouble = datetime(2026, 11, 24, 9, tzinfo=UTC)
    for day in DAYS:
        midnight = datetime(2026, 11, day, tzinfo=UTC)
        for number in range(EVENTS):
            at = midnight + timedelta(minutes=2 * number)
            service = _SERVICES[number % 4]
            event: dict[str, Any] = {
                "@timestamp": at.isoformat().replace("+00:00", "Z"),
                "service": service,
                "host": f"{service}-{random.randrange(3)}",
                "level": "info",
                "message": f"{service} answered a request",
                "status": 404 if service == "catalog" and random.randrange(20) == 0 else 200,
                "duration_ms": random.randrange(5, 120),
                "client": f"10.0.{random.randrange(4)}.{random.randrange(1, 255)}",
            }
            if event["status"] == 404:
                event |= {"level": "warn", "message": "no such article"}
            if service == "checkout" and trouble <= at < trouble + timedelta(hours=1):
                event |= {"level": "error", "status": 503, "duration_ms": 3000 + random.randrange(50)}
                event |= {"message": "payment failed: payments did not answer in time"}
                event |= {"error": {"type": "TimeoutError", "stack": _STACK}}
            yield f"{LOGS}{day}", event


def orders() -> Iterator[tuple[str, dict[str, Any]]]:
    """Orders, each with its id."""
    random = Random(1124)
    start = datetime(2026, 10, 1, tzinfo=UTC)
    for number in range(1, 301):
        lines: list[dict[str, Any]] = [
            {"sku": f"G{at}", "name": _GOODS[at][0], "quantity": random.randrange(1, 5), "price": _GOODS[at][1]}
            for at in random.sample(range(len(_GOODS)), random.randrange(1, 4))
        ]
        order: dict[str, Any] = {
            "placed": (start + timedelta(hours=4 * number)).isoformat().replace("+00:00", "Z"),
            "state": random.choice(_STATES),
            "customer": {"id": f"C{random.randrange(1, 61)}", "country": random.choice(("DE", "FR", "GB", "IT"))},
            "total": round(sum(line["price"] * line["quantity"] for line in lines), 2),
            "lines": lines,
        }
        if note := random.choice(_NOTES):
            order["note"] = note
        yield f"O{number}", order
