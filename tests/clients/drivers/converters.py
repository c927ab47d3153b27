"""What drivers of libraries share: a library is given a server's tools, and a line of JSON tells what it makes of them."""

import json
import logging
import sys
import traceback
import warnings
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Seen:
    """What a library made of the tools."""

    library: str
    mode: str
    tools: dict[str, Any]
    """The schema of each tool's arguments, as a model is shown it."""
    called: Any = None
    """What came of the call; None where the library calls nothing."""
    said: list[str] = field(default_factory=list)
    """Its warnings."""


class Kept(logging.Handler):
    """Keeps what is logged as a warning or worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


async def run(libraries: list[Callable[..., AsyncIterator[Seen]]]) -> None:
    """Give the server that standard input names to each library."""
    told = json.loads(sys.stdin.readline())
    for library in libraries:
        kept = Kept()
        logging.getLogger().addHandler(kept)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", UserWarning)
            try:
                async for seen in library(**told):
                    seen.said = kept.said + [str(one.message) for one in warned]
                    print(json.dumps(asdict(seen), default=str), flush=True)
            except Exception:
                print(json.dumps({"library": library.__name__, "error": traceback.format_exc()}), flush=True)
        logging.getLogger().removeHandler(kept)
