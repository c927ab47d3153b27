"stand_in_image: an image under the name of a public one."

load("@rules_oci//oci:defs.bzl", "oci_image", "oci_load")

def stand_in_image(name, reference, entrypoint, layers, user):
    """An image for linux-amd64 with layers above the base, under a public image's name and tag; NAME_tar is its archive."""
    oci_image(
        name = name,
        testonly = True,
        architecture = "amd64",
        entrypoint = entrypoint,
        env = {"PATH": "/usr/bin:/bin"},
        os = "linux",
        tars = ["//bazel/image:base_amd64"] + layers,
        user = user,
    )
    oci_load(
        name = name + "_load",
        testonly = True,
        image = name,
        loader = "//bazel/image:loader",
        repo_tags = [reference],
    )
    native.filegroup(
        name = name + "_tar",
        testonly = True,
        srcs = [name + "_load"],
        output_group = "tarball",
    )
