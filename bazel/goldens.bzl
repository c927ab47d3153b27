"Files of the source tree that are made from others."

load("@aspect_bazel_lib//lib:write_source_files.bzl", "write_source_file")

def golden_file(name, in_file, out_file):
    """A test that a file of the package is as it is made; `bazel run //tools:update_goldens` writes it."""
    write_source_file(
        name = name,
        diff_args = ["--unified"],
        in_file = in_file,
        out_file = out_file,
        suggested_update_target = "//tools:update_goldens",
        verbosity = "short",
        visibility = ["//visibility:public"],
    )
