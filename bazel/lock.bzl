"Programs that renew locks."

load("@rules_python//python:py_binary.bzl", "py_binary")
load("@rules_python//python:py_library.bzl", "py_library")
load("//bazel/python:pytest.bzl", "py_pytest_test")

def lock_program(data = None, deps = [], visibility = None):
    """Declares lock.py of a package as the program `:lock`, as the library `:lock_lib`, and its test lock_test.py.

    Args:
        data: of the test; None where there is no test
        deps: libraries that lock.py imports beside bazel/records.py
        visibility: of the library
    """
    py_library(
        name = "lock_lib",
        srcs = ["lock.py"],
        visibility = visibility,
        deps = deps + ["//bazel:records"],
    )
    py_binary(
        name = "lock",
        srcs = ["lock.py"],
        visibility = ["//tools:__pkg__"],
        deps = [":lock_lib"],
    )
    if data:
        py_pytest_test(
            name = "lock_test",
            size = "small",
            data = data,
            deps = [":lock_lib"],
        )
