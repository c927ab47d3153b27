"""Find in servers/ what goes past a library's public interface, and imports that point the wrong way.

`violations` reports imports and attributes with a leading underscore that belong to other modules, assignments to imported
modules and classes, and uses of `sys.meta_path` and `sys.modules`. `arrows` reports imports that point the wrong way.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

DOCUMENTED = ("os._exit",)
"""Names that the documentation of their library has in spite of the underscore."""

OWN = ("self", "cls")
"""Names by which methods call their own object and class."""

SETTERS = ("setattr", "delattr", "object.__setattr__", "type.__setattr__")
"""Functions that assign to an attribute of their first argument."""

MAPPING_SETTERS = ("update", "setdefault", "pop", "clear", "popitem", "__setitem__")
"""Methods that change a dict."""


@dataclass(frozen=True, order=True)
class Violation:
    file: str
    """Relative to the tree, with slashes."""
    line: int
    text: str
    """The line without its indentation."""
    rule: str


def private(name: str) -> bool:
    """Return whether a name, with dots or without, has a part with a leading underscore; `__name__` has none."""
    return any(part.startswith("_") and not (part.startswith("__") and part.endswith("__")) for part in name.split("."))


def dotted(node: ast.AST) -> str:
    """Return the names of an attribute chain, such as `a.b.c`; an empty text where the chain begins with something else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := dotted(node.value)):
        return f"{base}.{node.attr}"
    return ""


def bound(target: ast.AST) -> Iterator[str]:
    """Return the names that an assignment's target binds."""
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from bound(element)


class Module(ast.NodeVisitor):
    """What one module defines and imports, and the rules that it breaks."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[tuple[int, str]] = []
        """Lines, and the rules that they break."""
        self._imported: set[str] = set()
        self._members = set(self._defined(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self._imported |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                self._imported |= {alias.asname or alias.name for alias in node.names}
        self.visit(tree)

    def _defined(self, tree: ast.Module) -> Iterator[str]:
        """Return the private attributes that classes of this module define: their methods, fields, and what they set on self."""
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for statement in node.body:
                    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                        yield statement.name
                    elif isinstance(statement, ast.Assign):
                        for target in statement.targets:
                            yield from bound(target)
                            if "__slots__" in bound(target):
                                yield from (str(c.value) for c in ast.walk(statement.value) if isinstance(c, ast.Constant))
                    elif isinstance(statement, ast.AnnAssign):
                        yield from bound(statement.target)
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store) and dotted(inner.value) in OWN:
                        yield inner.attr

    def _report(self, node: ast.AST, rule: str) -> None:
        self.found.append((getattr(node, "lineno", 1), rule))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if private(alias.name):
                self._report(node, f"imports the private module {alias.name}")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if module == "__future__":
            return
        for alias in node.names:
            if private(module) or private(alias.name):
                self._report(node, f"imports the private name {module}.{alias.name}")
            if module == "sys" and alias.name in ("meta_path", "modules", "path_hooks"):
                self._report(node, f"uses sys.{alias.name}")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        name = dotted(node)
        if name in ("sys.meta_path", "sys.modules", "sys.path_hooks"):
            self._report(node, f"uses {name}")
        if isinstance(node.ctx, ast.Store | ast.Del) and self._of_others(node.value):
            self._report(node, f"assigns to {name}, which is imported")
        if private(node.attr) and name not in DOCUMENTED and not self._own(node):
            self._report(node, f"uses the private attribute {node.attr}")

    def _own(self, node: ast.Attribute) -> bool:
        """Return whether a class of this module defines a private attribute, and the object is not an imported one.

        So `self._reader` is reported where no class of the module defines `_reader`: it is then inherited from elsewhere.
        """
        return node.attr in self._members and dotted(node.value).partition(".")[0] not in self._imported

    def _of_others(self, node: ast.AST) -> bool:
        """Return whether a target is an imported module or class, or a part of one."""
        return dotted(node).partition(".")[0] in self._imported

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Store | ast.Del):
            owner = node.value
            if isinstance(owner, ast.Call) and dotted(owner.func) == "vars" and owner.args:
                owner = owner.args[0]
            if self._of_others(owner):
                self._report(node, f"assigns to a part of {dotted(owner)}, which is imported")

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        name = dotted(node.func)
        if name in SETTERS and node.args and self._of_others(node.args[0]):
            self._report(node, f"assigns to an attribute of {dotted(node.args[0])}, which is imported")
        if name in ("getattr", "hasattr", *SETTERS) and len(node.args) > 1:
            attribute = node.args[1]
            if isinstance(attribute, ast.Constant) and isinstance(attribute.value, str) and private(attribute.value):
                self._report(node, f"uses the private attribute {attribute.value}")
        if isinstance(node.func, ast.Attribute) and node.func.attr in MAPPING_SETTERS:
            owner = node.func.value
            if isinstance(owner, ast.Call) and dotted(owner.func) == "vars" and owner.args and self._of_others(owner.args[0]):
                self._report(node, f"changes the names of {dotted(owner.args[0])}, which is imported")
            elif dotted(owner).endswith((".__dict__", ".model_config")) and self._of_others(owner):
                self._report(node, f"changes {dotted(owner)}, which is imported")
        if name in ("importlib.import_module", "import_module", "__import__") and node.args:
            module = node.args[0]
            if isinstance(module, ast.Constant) and isinstance(module.value, str) and private(module.value):
                self._report(node, f"imports the private module {module.value}")


def sources(tree: Path) -> Iterator[Path]:
    """Return the modules of servers/ in a tree, without their tests, sorted."""
    for path in sorted((tree / "servers").rglob("*.py")):
        parts = path.relative_to(tree).parts
        if "tests" not in parts and not path.stem.endswith("_test") and not path.stem.startswith(("conftest", "fake_")):
            yield path


def violations(tree: Path) -> list[Violation]:
    """Return what breaks the rules in servers/ of a tree."""
    found = []
    for path in sources(tree):
        text = path.read_text()
        lines = text.splitlines()
        file = path.relative_to(tree).as_posix()
        for line, rule in Module(ast.parse(text, file)).found:
            found.append(Violation(file, line, lines[line - 1].strip(), rule))
    return sorted(set(found))


STORE = r"servers\.(redis|elasticsearch)\."

FORBIDDEN = {
    r"servers\.": r"bazel|charts|examples|tests|tools",
    r"servers\.common\.": STORE,
    r"servers\.redis\.": r"servers\.elasticsearch",
    r"servers\.elasticsearch\.": r"servers\.redis",
    STORE + r"(tools|policy|client|format|settings)": STORE + "(server|__main__|resources|prompts)",
    STORE + r"(policy|client|format|settings)": STORE + "tools",
    STORE + r"(client|format|settings)": STORE + "policy",
    STORE + r"(format|settings)": STORE + "client",
    r"servers\.common\.observability": r"servers\.common\.(http|protocol)",
    r"servers\.common\.protocol": r"servers\.common\.http",
}
"""Beginnings of modules' names, and of what these must not import, as regular expressions."""


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Return what a module imports, with the line: `from servers.redis import server` gives servers.redis.server."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def arrows(tree: Path) -> list[str]:
    """Return the imports in servers/ of a tree that point the wrong way."""
    found = []
    for path in sources(tree):
        module = ".".join(path.relative_to(tree).with_suffix("").parts)
        rules = [wrong for begin, wrong in FORBIDDEN.items() if re.match(begin, module)]
        found += [
            f"{module}, line {line}: {name}"
            for line, name in imports(path)
            if any(re.match(rf"({wrong})\b", name) for wrong in rules)
        ]
    return found


def unused(exceptions: Iterable[tuple[str, str]], found: Iterable[Violation]) -> list[tuple[str, str]]:
    """Return the exceptions, each a file and a line's text, that no violation needs."""
    needed = {(violation.file, violation.text) for violation in found}
    return [exception for exception in exceptions if exception not in needed]
