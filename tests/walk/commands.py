"""The commands that the README and the documentation tell a reader to run."""

import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
LABEL = re.compile(r"^(?:@[a-z_]+)?//")


class Command(NamedTuple):
    page: str
    """Path in the workspace."""
    line: int
    text: str
    """On one line, without its comment."""

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def bazel(self) -> str | None:
        """The command that Bazel gets, as build or test; None for another program."""
        words = self.words
        return words[1] if words[0] in ("./bazelw", "bazel") else None

    @property
    def labels(self) -> list[str]:
        words = self.words
        end = words.index("--") if "--" in words else len(words)
        return [word for word in words[:end] if self.bazel and LABEL.match(word)]

    @property
    def flags(self) -> list[str]:
        """The flags that the program behind `bazel run` gets."""
        words = self.words
        if self.bazel != "run" or "--" not in words:
            return []
        return [word.partition("=")[0] for word in words[words.index("--") + 1 :] if word.startswith("-")]


def commands(page: str, text: str) -> Iterator[Command]:
    """Return the commands of the fenced sh blocks of a Markdown page, in order."""
    for block in FENCE.finditer(text):
        first = text[: block.start()].count("\n") + 2
        whole = ""
        for number, line in enumerate(block[1].splitlines(), first):
            whole = f"{whole} {line.strip()}".strip()
            if whole.endswith("\\"):
                whole = whole[:-1].strip()
                continue
            words = shlex.split(whole, comments=True)
            if words:
                # The comment goes; what the shell is to expand stays as it is.
                yield Command(page, number, whole if "#" not in whole else re.sub(r"\s+# .*", "", whole))
            whole = ""


def documented(root: Path, pages: Sequence[str]) -> list[Command]:
    """The commands of some pages below a folder."""
    return [command for page in pages for command in commands(page, (root / page).read_text())]


class Rule(NamedTuple):
    """Commands that a bare machine can't run."""

    match: str
    """Regular expression, found in the command."""
    why: str


def rules(file: Path) -> list[Rule]:
    return [Rule(**rule) for rule in tomllib.loads(file.read_text())["rule"]]


def reason(command: Command, known: Sequence[Rule]) -> str | None:
    """Why a command can't run on a bare machine; None where it can."""
    return next((rule.why for rule in known if re.search(rule.match, command.text)), None)
