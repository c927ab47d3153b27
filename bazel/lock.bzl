"Programs that renew locks."

load("//bazel:programs.bzl", "py_program")
load("//bazel/python:pytest.bzl", "py_pytest_test")

def lock_program(data = None, deps = []):
    """Declares lock.py of a package as the program `:lock`, and its test lock_test.py.

    Args:
        data: of the test; None where there is no test
        deps: libraries that lock.py imports beside bazel/records.py
    """
    py_program(
        name = "lock",
        main = "lock.py",
        visibility = ["//visibility:public"],
        deps = deps + ["//bazel:records"],
    )
    if data:
        py_pytest_test(
            name = "lock_test",
            size = "small",
            data = data,
            deps = [":lock"],
        )
