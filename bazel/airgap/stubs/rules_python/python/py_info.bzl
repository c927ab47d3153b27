"PyInfo of Bazel itself."

load("//python/private:builtin.bzl", "BUILTIN_PY_INFO")

PyInfo = BUILTIN_PY_INFO
