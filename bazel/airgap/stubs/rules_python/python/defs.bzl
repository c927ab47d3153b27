"The rules that Bazel's own packages load from here."

load("//python:py_binary.bzl", _py_binary = "py_binary")
load("//python:py_library.bzl", _py_library = "py_library")
load("//python:py_runtime.bzl", _py_runtime = "py_runtime")
load("//python:py_test.bzl", _py_test = "py_test")

py_binary = _py_binary
py_library = _py_library
py_runtime = _py_runtime
py_test = _py_test
