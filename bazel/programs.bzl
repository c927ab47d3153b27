"Files that tests and tools find by environment variables."

load("@rules_python//python:py_binary.bzl", "py_binary")

def locations(programs):
    """Returns the environment of a rule that has these files as data, by the variables that tools/backends/runfiles.py reads."""
    return {variable: "$(rlocationpath %s)" % label for variable, label in programs.items()}

def py_program(name, main, srcs = [], programs = {}, **kwargs):
    """A py_binary that runs `main`, with labels of files by the variables that name them."""
    py_binary(name = name, srcs = [main] + srcs, data = programs.values(), env = locations(programs), main = main, **kwargs)
