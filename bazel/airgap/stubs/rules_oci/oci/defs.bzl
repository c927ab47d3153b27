"""oci_image, oci_image_index, oci_load and oci_push, with upstream's attributes as far as this workspace uses them."""

load("//oci/private:image.bzl", _image = "oci_image", _index = "oci_image_index")
load("//oci/private:run.bzl", _load = "oci_load", _push = "oci_push")

oci_load = _load
oci_push = _push

def _digest(name, kwargs):
    native.filegroup(
        name = name + ".digest",
        srcs = [name],
        output_group = "digest",
        **{k: v for k, v in kwargs.items() if k in ["tags", "target_compatible_with", "testonly", "visibility"]}
    )

def oci_image(name, **kwargs):
    """As upstream's; see there. NAME is an OCI layout; NAME.digest is a file with its digest."""
    _image(name = name, **kwargs)
    _digest(name, kwargs)

def oci_image_index(name, **kwargs):
    """As upstream's; see there. NAME is an OCI layout; NAME.digest is a file with its digest."""
    _index(name = name, **kwargs)
    _digest(name, kwargs)
