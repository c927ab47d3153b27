"pytest under Bazel."

load("@rules_python//python:py_test.bzl", "py_test")
load("//bazel:programs.bzl", "locations")

# Of tests that read the source tree itself: they see files that no target names, so no cache may answer for them.
SOURCE_TREE_TAGS = [
    "external",
    "no-cache",
    "no-sandbox",
]

def py_pytest_test(name, srcs = None, deps = [], data = [], env = {}, programs = {}, source_tree = False, **kwargs):
    """A test that runs pytest on its sources.

    It honours --test_filter (as pytest's -k), sharding (shard_count), --runs_per_test, and writes JUnit XML. A test
    without a single case that ran fails.

    Args:
        name: of the target
        srcs: test files and what they import from beside them; NAME.py by default
        deps: libraries beside pytest, anyio's plugin and //tools/backends
        data: further files
        env: further variables
        programs: labels of files by the variables that name them: each is data and in the environment. Those of
            Elasticsearch bring the library that starts it.
        source_tree: whether the test reads the source tree, which it finds by the link to WORKSPACE in its folder
        **kwargs: further attributes of py_test: size, tags, shard_count ...
    """
    srcs = srcs or [name + ".py"]
    if source_tree:
        data = data + ["//:WORKSPACE"]
        kwargs["tags"] = kwargs.get("tags", []) + SOURCE_TREE_TAGS
    py_test(
        name = name,
        srcs = srcs + ["//bazel/python:pytest_main.py"],
        main = "//bazel/python:pytest_main.py",
        args = kwargs.pop("args", []) + ["$(rootpath %s)" % src for src in srcs if src.endswith("_test.py")],
        data = data + programs.values(),
        env = env | locations(programs) if programs else env,
        deps = deps + ["//bazel/python:pytest_main", "//tools/backends", "//:pyproject"] +
               (["//tools/backends:elasticsearch"] if "//bazel/elasticsearch:node" in programs.values() else []),
        **kwargs
    )
