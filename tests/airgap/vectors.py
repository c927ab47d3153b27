"""Images described as the arguments of oci_image, and the digests that rules_oci 2.3.0 gives them.

The digests were taken from upstream's own image.sh, descriptor.sh and image_index.sh.tpl, run with regctl 0.8.0 and
jq 1.8.2 on such layers. That of `all` was taken when the stand-in could do more, and had upstream's digest of
an image with all of that.
"""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

AMD64 = {"architecture": "amd64", "os": "linux"}

VECTORS: dict[str, dict[str, Any]] = {
    "plain": {"platform": AMD64, "layers": ["plain.tar"]},
    "packed": {
        "platform": {"architecture": "arm64", "os": "linux", "variant": "v8"},
        "layers": ["packed.tar.gz", "plain.tar"],
    },
    "all": {
        "platform": AMD64,
        "layers": ["plain.tar", "packed.tar.gz"],
        "entrypoint": ["/bin/a", "two words", "line\nbreak"],
        "exposed_ports": ["9000/tcp", "53/udp"],
        "env": ["PATH=/usr/bin", "LATER=${PATH}:/x$NOTHING", "EMPTY=", "EQUALS=a=b", "PATH=/override"],
        "labels": {"title": "An image é→", "with.equals": "a=b", "empty": ""},
        "user": "1000:1000",
    },
}

DIGESTS = {
    "plain": "sha256:1f9cdc63dd097151a2e33e6f3795c04613a92d573d6dc8bf86b8d792604f498a",
    "packed": "sha256:6f1ea2d8a3e9c8806fe499a6e74747aa1a0d89fd6cd4ed3fadf8e9de11847cdf",
    "all": "sha256:440a7b5f596a4a16ff5f7f3f01578ad17ccc9fbe09040054100ad6baf1593b6a",
}

INDEX_OF = ["plain", "packed"]
INDEX_DIGEST = "sha256:49d2edd7eb21c585c4690f91ac6e969b678849ca427efbe2fcf7b60477865721"


def write(folder: Path) -> None:
    """Writes the layers."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo("hello")
        info.size = 6
        tar.addfile(info, io.BytesIO(b"hello\n"))
    (folder / "plain.tar").write_bytes(plain.getvalue())
    # Stored, not compressed: the same bytes whatever the zlib.
    (folder / "packed.tar.gz").write_bytes(gzip.compress(plain.getvalue() + b"\0" * 1024, 0, mtime=0))
