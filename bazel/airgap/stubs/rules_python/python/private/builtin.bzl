"Bazel's own provider, under a name that a file which exports it as PyInfo can load."

BUILTIN_PY_INFO = PyInfo
