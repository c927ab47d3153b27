"py_binary of Bazel itself."

load("//python/private:attributes.bzl", "checked")

def py_binary(name, **kwargs):
    "As upstream's; see there."
    native.py_binary(name = name, **checked("py_binary", kwargs))  # buildifier: disable=native-py
