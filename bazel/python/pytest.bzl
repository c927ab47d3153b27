"pytest under Bazel."

load("@rules_python//python:py_test.bzl", "py_test")

def py_pytest_test(name, srcs = None, deps = [], **kwargs):
    """A test that runs pytest on its sources.

    It honours --test_filter (as pytest's -k), sharding (shard_count), --runs_per_test, and writes JUnit XML. A test
    without a single case that ran fails.

    Args:
        name: of the target
        srcs: test files and what they import from beside them; NAME.py by default
        deps: libraries beside pytest and anyio's plugin
        **kwargs: further attributes of py_test: size, data, env, tags, shard_count ...
    """
    srcs = srcs or [name + ".py"]
    py_test(
        name = name,
        srcs = srcs + ["//bazel/python:pytest_main.py"],
        main = "//bazel/python:pytest_main.py",
        args = kwargs.pop("args", []) + ["$(rootpath %s)" % src for src in srcs if src.endswith("_test.py")],
        deps = deps + ["//bazel/python:pytest_main", "//:pyproject"],
        **kwargs
    )
