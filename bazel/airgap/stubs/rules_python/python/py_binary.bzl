"py_binary of Bazel itself."

py_binary = native.py_binary  # buildifier: disable=native-py
