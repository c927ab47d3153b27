"""bazel run //tools:image_report: sizes of the images by layer, and what starting them costs, as Markdown tables."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tools.backends.process import answers, free_port
from tools.backends.runfiles import program
from tools.images.container import Container, can_isolate
from tools.images.layout import Image

MIB = 1024 * 1024
NAMES = ("redis", "elasticsearch")
RUNS = 5
"""Starts of each image; the table has the median."""


def mib(size: int) -> str:
    return f"{size / MIB:.1f}"


def sizes(name: str, image: Image) -> Iterator[str]:
    """The table of an image's layers, in MiB."""
    yield f"### mcp/{name}\n\n`{image.digest}`\n"
    yield "| layer | packed MiB | unpacked MiB | files |\n|---|---:|---:|---:|"
    for layer in image.layers:
        label = layer.created_by.removeprefix("bazel build ")
        files = sum(not member.isdir() for member in layer.members)
        yield f"| {label} | {mib(layer.packed_bytes)} | {mib(layer.unpacked_bytes)} | {files} |"
    packed, unpacked = (sum(getattr(layer, f"{kind}_bytes") for layer in image.layers) for kind in ("packed", "unpacked"))
    yield f"| **all** | **{mib(packed)}** | **{mib(unpacked)}** | |\n"


def start(name: str, image: Image, root: Path, folder: Path) -> tuple[float, float, float]:
    """Starts the image without a store; seconds to /health, CPU seconds until then, resident MiB a second later."""
    port = free_port()
    env = {"MCP_HOST": "127.0.0.1", "MCP_PORT": str(port)}
    began = time.monotonic()
    with Container(name, image, root, env, folder / f"{name}-{port}.log") as container:
        container.wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"))
        seconds = time.monotonic() - began
        cpu = container.cpu()
        time.sleep(1)
        return seconds, cpu, container.status("VmRSS")


def main() -> None:
    images = {name: Image(program(f"{name.upper()}_IMAGE")) for name in NAMES}
    print("## Images\n")
    for name, image in images.items():
        print("\n".join(sizes(name, image)))
    how = "in bubblewrap, as UID 1000 on a read-only root" if can_isolate() else "in place"
    print(f"## Start\n\nFrom the images' own files, {how}, without a store; median of {RUNS} starts, taken in turn.\n")
    print("| image | to /health, s | CPU, s | RSS idle, MiB |\n|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="image_report.") as temporary:
        folder = Path(temporary)
        for name, image in images.items():
            (folder / name).mkdir()
            image.unpack(folder / name)
        measured: dict[str, list[tuple[float, float, float]]] = {name: [] for name in images}
        for _ in range(RUNS):
            for name, image in images.items():
                measured[name].append(start(name, image, folder / name, folder))
    for name, runs in measured.items():
        seconds, cpu, resident = map(median, zip(*runs, strict=True))
        print(f"| mcp/{name} | {seconds:.2f} | {cpu:.2f} | {resident:.1f} |")


if __name__ == "__main__":
    main()
