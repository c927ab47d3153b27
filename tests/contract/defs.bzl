"server_contract_test: what every server does, tested on its image."

load("//bazel/python:pytest.bzl", "py_pytest_test")
load("//tools/backends:defs.bzl", "BACKENDS_DATA", "BACKENDS_ENV", "REDIS_DATA", "REDIS_ENV")

_STORES = {
    "elasticsearch": (BACKENDS_DATA, BACKENDS_ENV),
    "redis": (REDIS_DATA, REDIS_ENV),
    "victoria-metrics": (
        ["@debian_victoria_metrics//:victoria-metrics"],
        {"VICTORIA_METRICS": "$(rlocationpath @debian_victoria_metrics//:victoria-metrics)"},
    ),
    "vmagent": (
        ["@debian_monitoring//:vmagent"],
        {"VMAGENT": "$(rlocationpath @debian_monitoring//:vmagent)"},
    ),
}

def server_contract_test(name, package, store):
    """Tests the image of a server, as server_image and mcp_image make it, for the contract of docs/third-server.md.

    Args:
        name: of the test
        package: of the targets :image_amd64 and :sbom_amd64
        store: that the server needs, as stores.py knows it
    """
    data, env = _STORES[store]
    py_pytest_test(
        name = name,
        size = "medium",
        srcs = ["contract_test.py"],
        data = data + [package + ":image_amd64", package + ":sbom_amd64.spdx.json"],
        env = env | {
            "IMAGE": "$(rlocationpath %s:image_amd64)" % package,
            "SBOM": "$(rlocationpath %s:sbom_amd64.spdx.json)" % package,
            "STORE": store,
        },
        deps = [
            ":lib",
            "@pypi//mcp",
            "@pypi//prometheus_client",
        ] + (["//tools/backends:elasticsearch"] if store == "elasticsearch" else []),
    )
