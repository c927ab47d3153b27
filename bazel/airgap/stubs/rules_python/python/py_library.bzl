"py_library of Bazel itself."

load("//python/private:attributes.bzl", "checked")

def py_library(name, **kwargs):
    "As upstream's; see there."
    native.py_library(name = name, **checked("py_library", kwargs))  # buildifier: disable=native-py
