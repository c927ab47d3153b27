"""Meet a regular expression with long texts of what it asks for: METHOD PATTERN FLAGS SECONDS."""

import random
import re
import resource
import sys
from collections.abc import Iterator

LENGTH = 200_000
"""Characters of a text."""

TEXTS = 60


def texts(pattern: str) -> Iterator[str]:
    """Texts of what a pattern speaks of, repeated, with something at the end that it does not want."""
    plain = re.sub(r"\\([dws])", lambda found: {"d": "0", "w": "a", "s": " "}[found[1]], pattern)
    alphabet = sorted({*plain, *'a0 "'} - {*"()|?+^$"}) or ["a"]
    chosen = random.Random(pattern)
    pieces = [*alphabet, *re.findall(r"\w{2,}", pattern)]
    for number in range(TEXTS):
        unit = alphabet[number] if number < len(alphabet) else "".join(chosen.choices(pieces, k=chosen.randint(2, 4)))
        start = "" if number % 2 else chosen.choice(pieces)
        yield start + unit * (LENGTH // len(unit)) + chosen.choice(["", "!", "\n", "\x00"])


def main(method: str, pattern: str, flags: str, seconds: str) -> None:
    """The kernel ends this process when it has taken so many seconds of CPU time."""
    used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2])) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (used + int(seconds), used + int(seconds)))
    compiled = re.compile(pattern, int(flags))
    for text in texts(pattern):
        if method == "sub":
            compiled.sub("", text)
        elif method == "finditer":
            list(compiled.finditer(text))
        else:
            getattr(compiled, method)(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
