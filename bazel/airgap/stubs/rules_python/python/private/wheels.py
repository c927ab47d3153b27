"""Downloads and unpacks the wheels of a lock into the working folder: wheels.py LOCK PYTHON_VERSION PIP_ARGUMENT...

Each wheel goes into a folder of its normalised name: the .whl itself, site-packages/, bin/ and data/, laid out as the wheel
format says (https://packaging.python.org/en/latest/specifications/binary-distribution-format/). Prints a JSON object:
folder to {"whl": file name, "deps": folders of the locked wheels that it requires}. Its last line on standard error, when
it fails, says what is wrong.
"""

import email.parser
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name, parse_wheel_filename


def folder_name(name: str) -> str:
    return canonicalize_name(name).replace("-", "_").replace(".", "_")


def environment(version: str, pip_args: list[str]) -> dict[str, str]:
    """PEP 508 markers of the platform that pip was told of. The lock is resolved for Debian 12's Python."""
    cpu = "aarch64" if any(a.endswith("_aarch64") for a in pip_args) else "x86_64"
    return {
        "implementation_name": "cpython",
        "implementation_version": "3.11.2",
        "os_name": "posix",
        "platform_machine": cpu,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": "3.11.2" if version == "3.11" else version + ".0",
        "python_version": version,
        "sys_platform": "linux",
    }


def locked_extras(lock: str) -> dict[str, set[str]]:
    """Extras by name of each requirement in the lock."""
    joined = re.sub(r"\\\n", " ", lock)
    found = {}
    for line in joined.splitlines():
        text = re.split(r"\s--hash|\s#|^#", line, maxsplit=1)[0].strip()
        if text and not text.startswith("-"):
            requirement = Requirement(text)
            found[canonicalize_name(requirement.name)] = requirement.extras
    return found


def download(lock: str, pip_args: list[str]) -> None:
    """One pip for the whole lock; it checks every hash before anything is used."""
    Path("wheels").mkdir()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", *pip_args, "--dest=wheels", f"--requirement={lock}"]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode:
        text = done.stderr
        wrong = re.search(r"\n\s*(\S+) from \S+.*?\n\s*Expected sha256 (\w+)(?:.*?)Got\s+(\w+)", text, re.S)
        if wrong:
            sys.exit(f"wheel {wrong[1]} has sha256 {wrong[3]}, which {Path(lock).name} does not list: do not use it")
        lines = [line for line in text.strip().splitlines() if line.startswith("ERROR")] or text.strip().splitlines()
        sys.exit(f"pip could not download {Path(lock).name}: {lines[-1] if lines else 'no reason given'}")


def unpack(wheel: Path, folder: Path) -> None:
    """site-packages/ for what is imported, bin/ for programs, data/ and include/ for the rest of NAME.data."""
    places = {"purelib": "site-packages", "platlib": "site-packages", "scripts": "bin", "headers": "include"}
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            parts = member.filename.split("/")
            if parts[0].endswith(".data") and len(parts) > 2:
                target = folder / places.get(parts[1], "data") / "/".join(parts[2:])
            else:
                target = folder / "site-packages" / member.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(member))
            if (member.external_attr >> 16) & 0o111 or target.parts[1] == "bin":
                target.chmod(0o755)


def requires(folder: Path, extras: set[str], env: dict[str, str]) -> set[str]:
    """Names that the wheel's METADATA requires under these extras and markers."""
    (metadata,) = (folder / "site-packages").glob("*.dist-info/METADATA")
    names = set()
    for text in email.parser.HeaderParser().parsestr(metadata.read_text("utf-8")).get_all("Requires-Dist", []):
        requirement = Requirement(text)
        if not requirement.marker or any(requirement.marker.evaluate(env | {"extra": extra}) for extra in {"", *extras}):
            names.add(canonicalize_name(requirement.name))
    return names


def main(lock: str, version: str, *pip_args: str) -> None:
    text = Path(lock).read_text()
    extras = locked_extras(text)
    # Extras that wheels ask of each other, such as pyjwt[crypto], are resolved in the lock: it holds what they bring.
    download(lock, list(pip_args))
    wheels = {}
    for wheel in sorted(Path("wheels").iterdir()):
        name = canonicalize_name(parse_wheel_filename(wheel.name)[0])
        folder = Path(folder_name(name))
        folder.mkdir()
        unpack(wheel, folder)
        wheel.rename(folder / wheel.name)
        wheels[name] = (folder, wheel.name)
    Path("wheels").rmdir()
    env = environment(version, list(pip_args))
    wanted_extras = dict(extras)
    for folder, _ in wheels.values():
        (metadata,) = (folder / "site-packages").glob("*.dist-info/METADATA")
        for line in email.parser.HeaderParser().parsestr(metadata.read_text("utf-8")).get_all("Requires-Dist", []):
            requirement = Requirement(line)
            if requirement.extras and (not requirement.marker or requirement.marker.evaluate(env | {"extra": ""})):
                name = canonicalize_name(requirement.name)
                wanted_extras[name] = wanted_extras.get(name, set()) | requirement.extras
    print(
        json.dumps(
            {
                folder.name: {
                    "whl": file,
                    "deps": sorted(
                        folder_name(d) for d in requires(folder, wanted_extras.get(name, set()), env) if d in wheels and d != name
                    ),
                }
                for name, (folder, file) in wheels.items()
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
