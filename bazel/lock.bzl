"Programs that renew locks."

load("@rules_python//python:py_binary.bzl", "py_binary")
load("@rules_python//python:py_library.bzl", "py_library")

def lock_program(deps = [], visibility = None):
    """Declares lock.py of a package as the program `:lock`, and as the library `:lock_lib` for its test.

    Args:
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
