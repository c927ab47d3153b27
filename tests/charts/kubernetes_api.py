"""What the Kubernetes API says of a manifest: by its schemas, and by the keys by which server-side apply merges lists."""

import functools
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import jsonschema
import referencing
import yaml

from tools.backends.runfiles import program

# The package kubernetes-validate has 17,000 files with schemas: they are read from its wheel, which is opened once.
SCHEMAS = zipfile.ZipFile(program("KUBERNETES_VALIDATE"))
FOLDER = re.compile(r"kubernetes_validate/kubernetes-json-schema/v([0-9.]+)-local-strict/_definitions\.json")
VERSIONS = sorted(found[1] for found in map(FOLDER.fullmatch, SCHEMAS.namelist()) if found and found[1] >= "1.28")

OTHERS = {"gateway.networking.k8s.io", "monitoring.coreos.com", "operator.victoriametrics.com"}
"""Groups of the API that are not of Kubernetes itself."""

Manifest = dict[str, Any]


class UniqueKeys(yaml.CSafeLoader):
    """Refuses a mapping that has a key twice, of which YAML's readers take either."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"{twice} twice", node.start_mark)
        return super().construct_mapping(node, deep)


def manifests(text: str) -> list[Manifest]:
    """Return the manifests of a render. A mapping with a key twice is a yaml.YAMLError."""
    # A subclass of SafeLoader, which makes nothing but plain values.
    return [m for m in yaml.load_all(text, UniqueKeys) if m]


@functools.cache
def schema(version: str, name: str) -> Any:
    return json.loads(SCHEMAS.read(f"kubernetes_validate/kubernetes-json-schema/v{version}-local-strict/{name}.json"))


@functools.cache
def definitions(version: str) -> Any:
    return schema(version, "_definitions")


@functools.cache
def validator(version: str, name: str) -> jsonschema.Draft202012Validator:
    registry = referencing.Resource.from_contents(definitions(version)) @ referencing.Registry()
    return jsonschema.Draft202012Validator(schema(version, name), registry=registry)


def problems(manifest: Manifest, version: str) -> list[str]:
    """Why the API of a version refuses a manifest: fields that it does not know, wrong types, entries of one key.

    Kinds that are not of Kubernetes itself are not judged.
    """
    if manifest["apiVersion"].partition("/")[0] in OTHERS:
        return []
    group, _, api = manifest["apiVersion"].rpartition("/")
    name = "-".join([manifest["kind"].lower(), *([group.partition(".")[0]] if group else []), api])
    found = [f"{error.json_path}: {error.message}" for error in validator(version, name).iter_errors(manifest)]
    return found + list(duplicates(manifest, schema(version, name), version, ""))


def duplicates(value: Any, described: Any, version: str, path: str) -> Iterator[str]:
    """Paths of lists with two entries that server-side apply would merge."""
    while "$ref" in described:
        described = definitions(version)["$defs"][described["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in described.get("properties", {}):
                yield from duplicates(inner, described["properties"][key], version, f"{path}.{key}")
    elif isinstance(value, list):
        if keys := described.get("x-kubernetes-list-map-keys"):
            entries = [tuple(entry.get(key, "TCP" if key == "protocol" else None) for key in keys) for entry in value]
            yield from (f"{path}: {keys} {entry} twice" for entry in sorted(set(entries)) if entries.count(entry) > 1)
        for number, inner in enumerate(value):
            yield from duplicates(inner, described.get("items", {}), version, f"{path}[{number}]")
