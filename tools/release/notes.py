"""Release notes and checksums, the same for the same release."""

import hashlib
import re
from pathlib import Path

from tools.release.errors import ReleaseError
from tools.release.publish import CHARTS, Published
from tools.release.tree import Tree


def changes(tree: Tree, version: str) -> str:
    """Return the version's part of CHANGELOG.md (keepachangelog.com), else its Unreleased part, or raise ReleaseError."""
    parts = re.split(r"^## +", (tree.folder / "CHANGELOG.md").read_text(), flags=re.M)[1:]
    for heading in (version, "unreleased"):
        for part in parts:
            title, _, body = part.partition("\n")
            # Links of the headings are kept at the file's end.
            body = re.sub(r"^\[[^\]]+\]: .*$", "", body, flags=re.M).strip()
            if re.match(rf"\[?v?{re.escape(heading)}\]?(\s|$)", title, re.I) and body:
                return body
    raise ReleaseError(f"CHANGELOG.md says nothing of {version}, and nothing under Unreleased: write down what users notice")


def notes(tree: Tree, version: str, registry: str, published: Published) -> str:
    """Release notes as Markdown."""
    rows = "\n".join(f"| `{registry}/{name}` | `{digest}` |" for name, digest in published.digests.items())
    return f"""# {version} ({tree.date})

{changes(tree, version)}

## What to pull

| repository | digest |
|---|---|
{rows}

Built from commit `{tree.commit}`. Images are for linux/amd64 and linux/arm64. SBOMs (SPDX 2.3, CycloneDX 1.6) and SLSA provenance
refer to them: docs/verify.md says how to check each.

The chart has these images and digests as its defaults.

```sh
helm install dox oci://{registry}/{CHARTS}/dox-asdlc --version {version} \\
  --set redis.mcpSidecar.enabled=true,elasticsearch.mcpSidecar.enabled=true
```
"""


def write(folder: Path, tree: Tree, version: str, registry: str, published: Published) -> None:
    """Writes the files of a release for people to download: release-notes.md, SHA256SUMS and what the latter names."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {**published.files, "release-notes.md": notes(tree, version, registry, published).encode()}
    files["digests.txt"] = "".join(f"{d}  {registry}/{n}:{version}\n" for n, d in published.digests.items()).encode()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    sums = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
    (folder / "SHA256SUMS").write_text("".join(sums))
