"server_contract_test: what every server does, tested on its image."

load("//bazel/python:pytest.bzl", "py_pytest_test")
load("//tools/backends:defs.bzl", "BACKENDS", "REDIS")

_STORES = {
    "elasticsearch": BACKENDS,
    "redis": REDIS,
    "victoria-metrics": {"VICTORIA_METRICS": "@debian_victoria_metrics//:victoria-metrics"},
    "vmagent": {"VMAGENT": "@debian_monitoring//:vmagent"},
}

def server_contract_test(name, package, store):
    """Tests the image of a server, as server_image and mcp_image make it, for the contract of docs/third-server.md.

    Args:
        name: of the test
        package: of the targets :image_amd64 and :sbom_amd64
        store: that the server needs, as stores.py knows it
    """
    py_pytest_test(
        name = name,
        srcs = ["contract_test.py"],
        env = {"STORE": store},
        programs = _STORES[store] | {
            "IMAGE": package + ":image_amd64",
            "SBOM": package + ":sbom_amd64.spdx.json",
        },
        deps = [
            ":lib",
            "@pypi//mcp",
            "@pypi//prometheus_client",
        ] + (["//tools/backends:elasticsearch"] if store == "elasticsearch" else []),
    )
