"""oci_image, oci_image_index, oci_load and oci_push, with upstream's attributes as far as this workspace uses them."""

load("@bazel_skylib//rules:write_file.bzl", "write_file")
load("//oci/private:image.bzl", _image = "oci_image", _index = "oci_image_index")
load("//oci/private:run.bzl", _load = "oci_load", _push = "oci_push")

def _as_file(name, kind, lines):
    """Upstream takes lists and dicts as files, a line each."""
    if not lines:
        return None
    write_file(name = "%s_write_%s" % (name, kind), out = "%s.%s.txt" % (name, kind), content = lines, tags = ["manual"])
    return "%s_write_%s" % (name, kind)

def _pairs(name, kind, value):
    return _as_file(name, kind, ["%s=%s" % pair for pair in value.items()])

def _digest(name, kwargs):
    native.filegroup(
        name = name + ".digest",
        srcs = [name],
        output_group = "digest",
        **{k: v for k, v in kwargs.items() if k in ["tags", "target_compatible_with", "testonly", "visibility"]}
    )

def oci_image(name, env, entrypoint, exposed_ports = [], labels = {}, **kwargs):
    """As upstream's; see there. NAME is an OCI layout; NAME.digest is a file with its digest."""
    _image(
        name = name,
        entrypoint = _as_file(name, "entrypoint", [word.replace("\n", "%5Cn") for word in entrypoint]),
        env = _pairs(name, "env", env),
        exposed_ports = _as_file(name, "exposed_ports", [",".join(exposed_ports)] if exposed_ports else []),
        labels = _pairs(name, "labels", labels),
        **kwargs
    )
    _digest(name, kwargs)

def oci_image_index(name, **kwargs):
    """As upstream's; see there. NAME is an OCI layout; NAME.digest is a file with its digest."""
    _index(name = name, **kwargs)
    _digest(name, kwargs)

def oci_load(name, repo_tags, **kwargs):
    """As upstream's; see there. The output group `tarball` of NAME, a target to run, is the archive."""
    _load(name = name, repo_tags = _as_file(name, "tags", repo_tags), **kwargs)

def oci_push(name, remote_tags, **kwargs):
    """As upstream's; see there. NAME is a target to run, with --repository and --tag."""
    _push(name = name, remote_tags = _as_file(name, "tags", remote_tags), **kwargs)
