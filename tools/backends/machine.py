"""A machine on which only certain programs are installed, as a script sees it."""

import shutil
from collections.abc import Iterable
from pathlib import Path


class Machine:
    """A PATH of its own: `bin`."""

    def __init__(self, folder: Path, programs: Iterable[str]) -> None:
        """Make bin/ in a folder, with these programs of the real machine."""
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in programs:
            found = shutil.which(name)
            assert found, f"{name} is not on PATH"
            (self.bin / name).symlink_to(found)

    def install(self, name: str, script: str) -> None:
        """Installs a program: a script of bash, which must be one of the programs."""
        path = self.bin / name
        path.write_text(f"#!{self.bin}/bash\n{script}\n")
        path.chmod(0o755)
