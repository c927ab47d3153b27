"py_test of Bazel itself."

load("//python/private:attributes.bzl", "checked")

def py_test(name, **kwargs):
    "As upstream's; see there."
    native.py_test(name = name, **checked("py_test", kwargs))  # buildifier: disable=native-py
