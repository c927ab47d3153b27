"""Remove mentions of unlisted tools from texts for models."""

import re
from collections.abc import Callable, Iterable

_CLAUSES = re.compile(r"((?:[;:?]|(?<!\d)\.) )")
"""What stands between clauses. The number of a step has its dot behind a digit."""

_STEPS = re.compile(r"(?<=\.) (?=\d\. )")


class Mentions:
    """Removes clauses that name tools, of all `tools`, which are not `listed` for a client now.

    Clauses stand between `; `, `: `, `? ` and `. `. The first one says what the text is about, so it always stays. What is in
    quotes or brackets is a caller's own word, not a tool.
    """

    def __init__(self, tools: Iterable[str], listed: Callable[[str], bool]) -> None:
        self._named = re.compile(rf"(?<![\w'\"`/\[])(?:{'|'.join(tools)})(?!\w)")
        self._listed = listed

    def unlisted(self, text: str) -> bool:
        """Return whether a text names a tool that is not listed."""
        return any(not self._listed(name) for name in self._named.findall(text))

    def told(self, text: str) -> str:
        """Return a text without clauses that name unlisted tools."""
        if not self.unlisted(text):
            return text
        first, *rest = _CLAUSES.split(text)
        kept, before = [first], ""
        for delimiter, clause in zip(rest[::2], rest[1::2], strict=True):
            before = before or delimiter
            if not self.unlisted(clause):
                kept += [before, clause]
                before = ""
        if before:
            kept.append("?" if before == "? " else "." if text.endswith(".") else "")
        return "".join(kept)

    def steps(self, text: str) -> str:
        """Return a paragraph; of one with numbered steps, those whose tools are listed, numbered anew."""
        if not text.startswith("1. "):
            return self.told(text)
        steps = [step[3:] for step in _STEPS.split(text)]
        kept = [self.told(step) for step in steps if not self.unlisted(_CLAUSES.split(step)[0])]
        return " ".join(f"{number}. {step}" for number, step in enumerate(kept, 1))
