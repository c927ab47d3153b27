"""What the demo's processes do: orchestrate, work, show."""

import asyncio
import datetime
import html
import itertools
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from examples.demo.stores import Queue, Results

logger = logging.getLogger(__name__)

INTERVAL = 2.0
"""Seconds between two jobs of the orchestrator."""

RETRY = 2.0
"""Seconds until something that failed is tried again."""

LICENCE = "/usr/share/doc/libc6/copyright"
"""Something to work on that every image has."""


@dataclass
class Demo:
    """What a role works with."""

    queue: Queue
    results: Results
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        ProcessCollector(registry=self.registry)


def documents() -> list[str]:
    """Texts for the jobs: paragraphs of a licence."""
    try:
        with open(LICENCE, encoding="utf-8") as file:
            text = file.read()
    except OSError:
        text = "The quick brown fox jumps over the lazy dog."
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]


async def forever(step: Callable[[], Awaitable[None]], what: str) -> None:
    """Repeats a step; what fails is logged once and tried again, for the stores come and go."""
    failing = False
    while True:
        try:
            await step()
            if failing:
                logger.info("%s again", what)
            failing = False
        except Exception as error:
            if not failing:
                logger.warning("not %s: %s", what, error)
            failing = True
            await asyncio.sleep(RETRY)


async def orchestrate(demo: Demo) -> None:
    """Queues a job every two seconds."""
    queued = Counter("demo_jobs_queued", "Jobs put on the stream.", registry=demo.registry)
    length = Gauge("demo_jobs_waiting", "Jobs that no worker has finished.", registry=demo.registry)
    texts = itertools.cycle(enumerate(documents()))

    async def step() -> None:
        number, text = next(texts)
        await demo.queue.add({"document": f"paragraph-{number}", "text": text})
        queued.inc()
        length.set(await demo.queue.waiting())
        await asyncio.sleep(INTERVAL)

    await forever(step, "queueing")


async def work(demo: Demo) -> None:
    """Takes jobs, counts their words, writes the results."""
    done = Counter("demo_jobs_done", "Jobs finished.", registry=demo.registry)
    seconds = Histogram("demo_job_seconds", "Duration of a job.", registry=demo.registry)
    name = os.environ.get("HOSTNAME") or socket.gethostname()

    async def step() -> None:
        await demo.queue.open()
        await demo.results.open()
        async for identifier, job in demo.queue.take(name):
            with seconds.time():
                words = job.get("text", "").split()
                await demo.results.put(
                    identifier,
                    {
                        "job": identifier,
                        "document": job.get("document", ""),
                        "words": len(words),
                        "longest": max(words, key=len, default=""),
                        "worker": name,
                        "done": datetime.datetime.now(datetime.UTC).isoformat(),
                    },
                )
                # Acknowledged only once it is written: a job may be done twice, and is never lost.
                await demo.queue.done(identifier)
            done.inc()

    await forever(step, "working")


async def page(demo: Demo) -> str:
    waiting = await demo.queue.waiting()
    total, latest = await demo.results.latest(20)
    rows = "".join(
        "<tr>"
        + "".join(f"<td>{html.escape(str(row.get(key, '')))}</td>" for key in ("done", "document", "words", "longest"))
        + "</tr>"
        for row in latest
    )
    return (
        "<!doctype html><title>dox-asdlc demo</title><meta http-equiv=refresh content=5>"
        f"<h1>Jobs</h1><p>{waiting} wait, {total} are done.</p>"
        f"<table><tr><th>done<th>document<th>words<th>longest word</tr>{rows}</table>"
    )
