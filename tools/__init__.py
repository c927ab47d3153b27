"""What `bazel run` runs."""
