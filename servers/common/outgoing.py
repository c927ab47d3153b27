"""The content of an answer to a tool call, serialised once.

Clients get it twice: as text, and as structured content. An SDK that is given both copies, checks and serialises them several
times, some 15 ms of CPU for a megabyte. So where our own code writes the answer (`exchange`), the SDK is given a stand-in to
check, and the bytes of both are put into its answer; where the SDK's transport writes it, the SDK is given the real thing.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

JOINED = 64 * 1024
"""Bytes from which it costs more to join them to others than to send them by themselves."""

_TEXT, _CONTENT = b'"text":""', b'"structuredContent":{}'
# In JSON a quote inside of a string has a backslash before it, so nothing but these members can look like them.


@dataclass
class Outgoing:
    """What is to be put into the answer of the request that is served; nothing as long as it is empty."""

    text: bytes = b""
    """The text, as a JSON string."""

    content: bytes = b""
    """The structured content, as JSON."""

    def put_into(self, answer: bytes) -> list[bytes]:
        """The answer with what was left out of it, in the parts that make it up: joining them would copy all of it once more.

        What was put into it is let go here: timers that have been cancelled keep their context for as long as they would
        have run, and all that it refers to.

        Args:
            answer: compact JSON, with an empty text and empty structured content (protocols before 2025-06-18 have none)
        """
        text, content = self.text, self.content
        self.text = self.content = b""
        before, stood_in, rest = answer.partition(_TEXT)
        if not text or not stood_in:
            return [answer]
        between, structured, after = rest.partition(_CONTENT)
        if not structured:
            return [before + _TEXT[:-2], text, between]
        return [before + _TEXT[:-2], text, between + _CONTENT[:-2], content, after]


OUTGOING: ContextVar[Outgoing | None] = ContextVar("OUTGOING", default=None)
"""Set where our own code writes the answer."""
