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
    """Tests the image of a package's server_image or mcp_image, beside a store of stores.py, for the contract of docs/third-server.md."""
    py_pytest_test(
        name = name,
        srcs = ["contract_test.py"],
        env = {"STORE": store},
        programs = _STORES[store] | {
            "IMAGE": package + ":image_amd64",
            "SBOM": package + ":sbom_amd64.spdx.json",
        },
        deps = [":lib", "@pypi//mcp", "@pypi//prometheus_client"],
    )
