"py_library of Bazel itself."

py_library = native.py_library  # buildifier: disable=native-py
