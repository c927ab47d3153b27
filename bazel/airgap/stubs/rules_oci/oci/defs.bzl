"""oci_image, oci_image_index, oci_load and oci_push, with upstream's attributes as far as this workspace uses them."""

load("@bazel_skylib//lib:types.bzl", "types")
load("@bazel_skylib//rules:write_file.bzl", "write_file")
load("//oci/private:attributes.bzl", "checked")
load("//oci/private:image.bzl", _image = "oci_image", _index = "oci_image_index")
load("//oci/private:run.bzl", _load = "oci_load", _push = "oci_push")

_INHERITED = ["compatible_with", "tags", "target_compatible_with", "testonly", "visibility"]

def _as_file(name, kind, lines, kwargs):
    """Upstream takes lists and dicts as files, a line each."""
    write_file(
        name = "%s_write_%s" % (name, kind),
        out = "%s.%s.txt" % (name, kind),
        content = lines,
        tags = ["manual"],
        testonly = kwargs.get("testonly", False),
    )
    return "%s_write_%s" % (name, kind)

def _pairs(name, kind, value, kwargs):
    return _as_file(name, kind, ["%s=%s" % pair for pair in value.items()], kwargs) if types.is_dict(value) else value

def _lines(name, kind, value, kwargs):
    return _as_file(name, kind, [v.replace("\n", "%5Cn") for v in value], kwargs) if types.is_list(value) else value

def _joined(name, kind, value, kwargs):
    return _as_file(name, kind, [",".join(value)], kwargs) if types.is_list(value) else value

def _digest(name, kwargs):
    native.filegroup(
        name = name + ".digest",
        srcs = [name],
        output_group = "digest",
        **{k: v for k, v in kwargs.items() if k in _INHERITED}
    )

def oci_image(name, labels = None, env = None, entrypoint = None, exposed_ports = None, **kwargs):
    """As upstream's; see there. NAME is an OCI layout; NAME.digest is a file with its digest."""
    checked("oci_image", kwargs)
    _image(
        name = name,
        entrypoint = _lines(name, "entrypoint", entrypoint, kwargs),
        env = _pairs(name, "env", env, kwargs),
        exposed_ports = _joined(name, "exposed_ports", exposed_ports, kwargs),
        labels = _pairs(name, "labels", labels, kwargs),
        **kwargs
    )
    _digest(name, kwargs)

def oci_image_index(name, **kwargs):
    """As upstream's; see there. NAME is an OCI layout; NAME.digest is a file with its digest."""
    checked("oci_image_index", kwargs)
    _index(name = name, **kwargs)
    _digest(name, kwargs)

def oci_load(name, repo_tags = None, **kwargs):
    """As upstream's; see there. The output group `tarball` of NAME, a target to run, is the archive."""
    checked("oci_load", kwargs)
    _load(name = name, repo_tags = _lines(name, "tags", repo_tags, kwargs), **kwargs)

def oci_push(name, remote_tags = None, **kwargs):
    """As upstream's; see there. NAME is a target to run, with --repository and --tag."""
    checked("oci_push", kwargs)
    _push(name = name, remote_tags = _lines(name, "tags", remote_tags, kwargs), **kwargs)
