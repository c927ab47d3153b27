"py_test of Bazel itself."

py_test = native.py_test  # buildifier: disable=native-py
