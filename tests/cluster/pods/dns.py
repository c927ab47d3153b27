"""DNS for a cluster that has none: answers the names of Services (https://github.com/kubernetes/dns/blob/master/docs/specification.md).

Runs in a pod, on the standard library alone; asks the API server for Services and their endpoints every second, beside the
answers, which wait for nobody. Only A records; every other question about a known name has an empty answer.
"""

import json
import os
import socket
import ssl
import struct
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

PORT = 5353
DOMAIN = "svc.cluster.local"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Names:
    """Host names of the cluster to addresses."""

    def __init__(self) -> None:
        self._api = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
        self._trust = ssl.create_default_context(cafile=ACCOUNT / "ca.crt")
        self._names: dict[str, list[str]] = {}

    def _list(self, path: str) -> list[dict[str, Any]]:
        token = (ACCOUNT / "token").read_text()
        request = urllib.request.Request(self._api + path, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=60, context=self._trust) as answer:
            items: list[dict[str, Any]] = json.load(answer)["items"]
            return items

    def refresh(self) -> None:
        names: dict[str, list[str]] = {}
        headless = set()
        for service in self._list("/api/v1/services"):
            name = f"{service['metadata']['name']}.{service['metadata']['namespace']}.{DOMAIN}"
            address = service["spec"].get("clusterIP", "None")
            names[name] = [] if address == "None" else [address]
            if address == "None":
                headless.add(name)
        for part in self._list("/apis/discovery.k8s.io/v1/endpointslices"):
            meta = part["metadata"]
            name = f"{meta.get('labels', {}).get('kubernetes.io/service-name')}.{meta['namespace']}.{DOMAIN}"
            for endpoint in part.get("endpoints") or []:
                if name in headless and endpoint["conditions"].get("ready", True):
                    names[name] += endpoint["addresses"]
                    if "hostname" in endpoint:
                        names[f"{endpoint['hostname']}.{name}"] = endpoint["addresses"]
        self._names = names

    def follow(self) -> None:
        """Keeps them up to date; does not return."""
        while True:
            try:
                self.refresh()
            except OSError as error:
                print(f"the API server can't be asked: {error}", flush=True)
            time.sleep(1)

    def find(self, name: str) -> list[str] | None:
        """Addresses; None for a name that there is not."""
        return self._names.get(name.lower())


def answer(query: bytes, names: Names) -> bytes:
    """The answer to a query, in the wire format of RFC 1035."""
    position, labels = 12, []
    while query[position]:
        length = query[position]
        labels.append(query[position + 1 : position + 1 + length].decode())
        position += length + 1
    question = query[12 : position + 5]
    (kind,) = struct.unpack(">H", question[-4:-2])
    addresses = names.find(".".join(labels))
    found = (addresses or []) if kind == 1 else []
    flags = 0x8580 | (3 if addresses is None else 0)  # authoritative; 3: no such name
    records = b"".join(struct.pack(">HHHIH", 0xC00C, 1, 1, 5, 4) + socket.inet_aton(address) for address in found)
    return query[:2] + struct.pack(">HHHHH", flags, 1, len(found), 0, 0) + question + records


def main() -> None:
    names = Names()
    threading.Thread(target=names.follow, daemon=True).start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("", PORT))
        while True:
            query, sender = server.recvfrom(4096)
            try:
                server.sendto(answer(query, names), sender)
            except (IndexError, ValueError, OSError) as error:
                print(f"a query was not answered: {type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main()
