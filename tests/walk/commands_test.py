"""Every command of the documentation: its targets and flags are there, and the walk knows what to do with it."""

import re
from pathlib import Path

import pytest

from tests.walk.commands import Command, commands, documented, reason, rules

TREE = Path("WORKSPACE").resolve().parent
"""The source tree: the runfiles hold a link to its WORKSPACE file."""

KNOWN = rules(TREE / "tests/walk/not_here.toml")
PAGES = sorted(
    str(path.relative_to(TREE)) for path in [TREE / "README.md", TREE / "CONTRIBUTING.md", *(TREE / "docs").rglob("*.md")]
)
COMMANDS = documented(TREE, PAGES)

OF_MACROS = re.compile(r"(image|sbom)(_amd64|_arm64)?|index|load|push|sign|tar|wheel")
"""Targets that mcp_image makes, and mcp_server."""

FLAGS_OF_OTHERS = {"//servers/redis:push": ["--repository"], "//servers/elasticsearch:push": ["--repository"]}
"""Programs of upstream's rules."""

WRITTEN = {"docs/benchmarks/README.md": {"measured.md"}}
"""What a run of the benchmark writes beside a page; it may not be there yet."""

LINK = re.compile(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)")


def ids(command: Command) -> str:
    return f"{command.page}:{command.line}"


def target(label: str) -> tuple[Path, str]:
    """The folder of a label's package, and its name in there."""
    package, _, name = label.removeprefix("//").partition(":")
    return TREE / package, name or package.rpartition("/")[2]


def actual(label: str) -> str:
    """Return what an alias stands for; else the label itself."""
    folder, name = target(label)
    found = re.search(rf'"{re.escape(name)}": "(//[^"]+)"', (folder / "BUILD.bazel").read_text())
    return found[1] if found else label


def test_commands_are_found() -> None:
    assert len(PAGES) > 8
    assert len(COMMANDS) > 25
    assert {"./bazelw test //...", "./bazelw run //tools:image_report"} <= {command.text for command in COMMANDS}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.bazel], ids=ids)
def test_its_targets_are_there(command: Command) -> None:
    assert command.labels, "Bazel is told no target"
    for label in command.labels:
        if label.endswith(("...", ":all")):
            folder = TREE / re.sub(r"(/?\.\.\.|:all)$", "", label.removeprefix("//"))
            assert any(folder.rglob("BUILD.bazel")), f"there is no package {label}"
            continue
        folder, name = target(label)
        assert (folder / "BUILD.bazel").is_file(), f"there is no package of {label}"
        build = (folder / "BUILD.bazel").read_text()
        made = f'name = "{name}"' in build or (re.search(r"mcp_(image|server)\(", build) and OF_MACROS.fullmatch(name))
        # A list comprehension has its names in a list, or finds the files of tests.
        found = f'"{name}"' in build or (name.endswith("_test") and (folder / f"{name}.py").exists())
        assert made or found, f"{folder.name}/BUILD.bazel has no target {name}"


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.flags], ids=ids)
def test_its_flags_are_there(command: Command) -> None:
    (label,) = command.labels
    if label in FLAGS_OF_OTHERS:
        assert set(command.flags) <= set(FLAGS_OF_OTHERS[label])
        return
    folder, name = target(actual(label))
    folder = TREE / "tools/release" if OF_MACROS.fullmatch(name) else folder
    known = "\n".join(file.read_text() for file in [*folder.glob("*.py"), *folder.glob("*.sh")])
    assert not [flag for flag in command.flags if not re.search(rf"[\"'\s]{re.escape(flag)}\b", known)]


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.bazel], ids=ids)
def test_another_program_is_of_a_bare_machine_or_has_a_rule(command: Command) -> None:
    assert command.words[0] in ("ls", ".ci/run", "git", "cd") or reason(command, KNOWN), (
        f"say in tests/walk/not_here.toml why a bare machine can't run: {command.text}"
    )


@pytest.mark.parametrize("rule", KNOWN, ids=lambda rule: rule.match)
def test_a_rule_is_needed(rule: object) -> None:
    match = getattr(rule, "match")  # noqa: B009
    assert any(re.search(match, command.text) for command in COMMANDS), "no command needs it any more: take it out"


def test_most_commands_are_walked() -> None:
    walked = [command for command in COMMANDS if not reason(command, KNOWN)]
    assert len(walked) >= 10


def test_blocks_are_read_as_a_shell_reads_them() -> None:
    text = "Do:\n\n```sh\na 'b # c'   # why\nd \\\n  e --f=g\n# only a comment\n```\n\n```json\nno\n```\n```sh\nh --i j\n```\n"
    found = [(command.line, command.text) for command in commands("a.md", text.replace("'b # c'", "b"))]
    assert found == [(4, "a b"), (6, "d e --f=g"), (14, "h --i j")]


@pytest.mark.parametrize(
    ("text", "bazel", "labels", "flags"),
    [
        ("./bazelw run //a:b -- --c --d=e f", "run", ["//a:b"], ["--c", "--d"]),
        ("./bazelw test //a/... --test_filter=x", "test", ["//a/..."], []),
        ("helm install //a:b", None, [], []),
    ],
)
def test_a_command_is_taken_apart(text: str, bazel: str | None, labels: list[str], flags: list[str]) -> None:
    command = Command("a.md", 1, text)
    assert (command.bazel, command.labels, command.flags) == (bazel, labels, flags)


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_what_a_page_links_to_is_there(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (TREE / page).read_text(), flags=re.M | re.S)
    missing = [link for link in LINK.findall(text) if not (TREE / page).parent.joinpath(link).exists()]
    assert set(missing) <= WRITTEN.get(page, set())
