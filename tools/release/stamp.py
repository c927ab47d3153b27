"""Put the images of a release into the packaged chart, so that what it installs can be pulled."""

import gzip
import io
import re
import tarfile

from tools.release.errors import ReleaseError

IMAGE = re.compile(r'(repository: )mcp/(redis|elasticsearch)\n((?: *#.*\n)*)( *digest: )""\n')
FILES = {
    "dox-asdlc/charts/redis/values.yaml": 1,
    "dox-asdlc/charts/elasticsearch/values.yaml": 1,
    "dox-asdlc/charts/mcp-sidecar/templates/_images.tpl": 2,
}
"""Files of the package that name images, and how many."""


def stamp(package: bytes, registry: str, digests: dict[str, str]) -> bytes:
    """Return a chart's package with the registry and the digest of each image, byte for byte the same for the same arguments.

    `digests` has redis and elasticsearch. ReleaseError: the chart names its images elsewhere than in FILES.
    """

    def named(match: re.Match[str]) -> str:
        return f'{match[1]}{registry}/mcp/{match[2]}\n{match[3]}{match[4]}"{digests[match[2]]}"\n'

    stamped = io.BytesIO()
    seen = set()
    with (
        tarfile.open(fileobj=io.BytesIO(package)) as source,
        gzip.GzipFile("", "wb", 9, stamped, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in source:
            content = source.extractfile(member)
            data = content.read() if content else b""
            if member.name in FILES:
                text, count = IMAGE.subn(named, data.decode())
                if count != FILES[member.name]:
                    raise ReleaseError(f"{member.name} of the chart names {count} images: change tools/release/stamp.py")
                seen.add(member.name)
                data = text.encode()
                member.size = len(data)
            target.addfile(member, io.BytesIO(data))
    if missing := FILES.keys() - seen:
        raise ReleaseError(f"the chart has no {', '.join(sorted(missing))}: change tools/release/stamp.py")
    return stamped.getvalue()
