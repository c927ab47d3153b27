"""Check the prose of pages, comments in chart values, and docstrings against a small style of our own.

The style is plain English: short sentences, the field's own words, and none of the phrases in REFUSED. Code, links and
tables' layout are left out before a text is checked.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LONGEST = 36
"""Words that a sentence may have. Plain-language guides recommend 15 to 20 on average."""

REFUSED = {
    r"has not (?:a|an|the|this|that|any)\b": "does not have",
    r"(?<!there )(?:is|are|was|were) no (?!longer\b|more\b|less\b|later\b|other\b|one\b)[a-z]+": "is not a",
    r"(?:that|which|who) (?:is|are|was|were) none\b": "is not one",
    r"the time in which\b": "while",
    r"what is between\b": "a proxy in between",
    r"(?:can|could|may) (?:not )?be had\b|can't be had\b": "is available",
    r"mend(?:s|ed|ing)?\b": "fix",
    r"of before\b": "earlier",
    r"taken up\b": "picked up",
    r"(?:lies|lie) (?:in|beside)\b": "is in",
    r"is there for\b": "is for",
    r"nothing of it\b": "none of it",
    r"will do as well\b": "works too",
    r"is to be (?:seen|read|got|told|looked)\b": "say who does it",
    r"freed of\b": "without",
    r"(?:is|are) told so\b": "gets an error",
    r"by hand\b": "manually",
    r"for who\b|(?<=[.;,] )who (?:[a-z]+s|may|can|has|is)\b": "whoever, or name the party",
    r"(?:leads|lead) there\b": "uses it",
    r"looked into\b": "checked",
    r"looked at\b": "checked, or read",
    r"(?:says|say) (?:so|it)\b": "reports it",
    r"(?:goes|go) (?:along|on where)\b": "continues",
    r"hold (?:them|it|him) (?:to it|against)\b": "compare",
    r"stands? (?:for it|in for it|on)\b": "replaces, or depends on",
    r"asks? for nothing\b": "needs nothing",
    r"utili[sz]e": "use",
    r"in order to\b": "to",
    r"please\b": "leave it out",
    r"simply\b|obviously\b|of course\b": "leave it out",
}
"""Phrases that no text may have, as regular expressions that begin at a word, and what to write instead."""

PATTERN = re.compile("|".join(rf"(?P<p{i}>\b(?:{phrase}))" for i, phrase in enumerate(REFUSED)), re.I)
ABBREVIATIONS = re.compile(r"\b(e\.g|i\.e|etc|vs|approx|no)\.", re.I)
NOUN_CLAUSE = re.compile(r"(?:What|Whether|Where|How|Which|Who|Whose|That|The time)\b")


class Problem(NamedTuple):
    place: str
    """File and line."""
    text: str
    """The phrase or the beginning of the sentence."""
    better: str
    """What to write instead."""


class Text(NamedTuple):
    """A paragraph, list item, table cell, comment or docstring."""

    place: str
    prose: str
    docstring: bool = False


def plain(text: str) -> str:
    """Return a text without inline code, link targets, images, emphasis and HTML comments."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"``?[^`]+``?", "CODE", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"https?://\S+", "URL", text)
    return re.sub(r"[*_]{1,2}(?=\S)|(?<=\S)[*_]{1,2}", "", text)


def markdown(path: Path, name: str) -> Iterator[Text]:
    """Return the paragraphs, list items and table cells of a Markdown page."""
    text = re.sub(r"^```.*?^```$", lambda m: "\n" * m[0].count("\n"), path.read_text(), flags=re.M | re.S)
    block: list[str] = []
    start = 1
    for number, line in enumerate([*text.splitlines(), ""], 1):
        row = line.lstrip().startswith("|")
        item = re.match(r"\s*(?:[-*]|\d+\.)\s+|#+ |> ", line)
        if block and (not line.strip() or row or item):
            yield Text(f"{name}:{start}", plain(" ".join(block)))
            block = []
        if row:
            yield from (Text(f"{name}:{number}", plain(cell)) for cell in re.split(r"(?<!\\)\|", line) if cell.strip())
        elif line.strip():
            if not block:
                start = number
            block.append(line[item.end() :] if item else line.strip())


def comments(path: Path, name: str) -> Iterator[Text]:
    """Return the comments of a YAML file, each joined from its lines."""
    block: list[str] = []
    start = 1
    for number, line in enumerate([*path.read_text().splitlines(), ""], 1):
        found = re.match(r"\s*#+ ?(?:-- ?)?(?:@\w+.*)?(.*)", line)
        if found:
            start = start if block else number
            block.append(found[1])
        elif block:
            yield Text(f"{name}:{start}", plain(" ".join(block)))
            block = []


def docstrings(path: Path, name: str) -> Iterator[Text]:
    """Return the paragraphs of the docstrings of a module, and of what it defines."""
    for node in ast.walk(ast.parse(path.read_text(), name)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        found = ast.get_docstring(node)
        if not found or getattr(node, "name", "").startswith("test_"):
            continue
        line = node.body[0].lineno
        for index, paragraph in enumerate(re.split(r"\n\s*\n|\n(?=\s+\w+: )", found)):
            function = index == 0 and not isinstance(node, ast.Module | ast.ClassDef)
            if not re.match(r"\s{2,}|(?:Args|Returns|Raises|Yields):", paragraph):
                yield Text(f"{name}:{line}", plain(" ".join(paragraph.split())), function)


def sentences(prose: str) -> list[str]:
    """Return the sentences of a paragraph. A colon or a semicolon ends one too."""
    return re.split(r"(?<=[.?!:;])\s+", ABBREVIATIONS.sub(r"\1", prose))


def problems(text: Text) -> Iterator[Problem]:
    """Return what is wrong with a text."""
    for found in PATTERN.finditer(text.prose):
        index = int(str(found.lastgroup)[1:])
        yield Problem(text.place, found[0], list(REFUSED.values())[index])
    for sentence in sentences(text.prose):
        words = re.findall(r"[\w'/.-]*\w", sentence)
        if len(words) > LONGEST:
            yield Problem(text.place, " ".join(words[:6]) + " ...", f"{len(words)} words: make two sentences")
    if text.docstring and NOUN_CLAUSE.match(text.prose):
        yield Problem(text.place, text.prose[:40], "begin with a verb")


def texts(tree: Path, name: str) -> Iterator[Text]:
    """Return the texts of a file of the tree, by its suffix."""
    read = {".md": markdown, ".yaml": comments, ".py": docstrings}[Path(name).suffix]
    return read(tree / name, name)
