"""The nodes of a cluster that requests may go to: by turns, past those that are set aside."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

BACKOFF = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds that a node is set aside for, by how many times in a row it has failed; the last goes on."""


@dataclass(eq=False)
class Node:
    """A node, or what stands before some, by its URL: scheme, host, port, and a path where a proxy asks for one."""

    url: str
    failures: int = 0
    until: float = 0.0

    @property
    def address(self) -> str:
        return urlsplit(self.url).netloc


class Nodes:
    """Nodes, and which of them serve as far as is known.

    A node that failed gets requests only when no other can take them, until the check of the backend finds it well again; so
    no call waits for it.
    """

    def __init__(self, urls: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self.all = [Node(url) for url in urls]
        self._clock = clock
        self._turn = 0

    def in_order(self) -> list[Node]:
        """All of them: those that serve, beginning each time with the next; then the others, the one first that is due first."""
        serving = [node for node in self.all if not node.failures]
        aside = sorted((node for node in self.all if node.failures), key=lambda node: node.until)
        if serving:
            at = self._turn % len(serving)
            self._turn += 1
            serving = serving[at:] + serving[:at]
        return serving + aside

    def due(self) -> list[Node]:
        """Those to be checked now: all but those that were set aside for a while longer; all where none serves."""
        if all(node.failures for node in self.all):
            return list(self.all)
        now = self._clock()
        return [node for node in self.all if not node.failures or node.until <= now]

    def failed(self, node: Node) -> None:
        """Sets a node aside, for longer each time."""
        node.until = self._clock() + BACKOFF[min(node.failures, len(BACKOFF) - 1)]
        node.failures += 1

    def served(self, node: Node) -> None:
        """A node has answered."""
        node.failures = 0
