"Layers of images, from Debian packages, wheels and our own sources, byte for byte reproducible."

load("@bazel_skylib//lib:paths.bzl", "paths")
load("@rules_python//python:py_info.bzl", "PyInfo")

LayerInfo = provider("What a layer holds.", fields = {
    "debs": "depset of the .deb files unpacked in it",
    "wheels": "depset of the .whl files installed in it and in those below",
})

SITE = "usr/local/lib/python3.11/dist-packages"

def _wheels(ctx):
    """The wheels asked for and those they require, without those of the layers below."""
    files = depset(ctx.files.wheels, transitive = [t[DefaultInfo].default_runfiles.files for t in ctx.attr.wheels])
    below = {f: True for layer in ctx.attr.below for f in layer[LayerInfo].wheels.to_list()}
    return [f for f in files.to_list() if f.extension == "whl" and f not in below]

def _sources(ctx):
    """Our own Python sources by their path in the image; what wheels bring is left to their layers."""
    files = depset(transitive = [t[PyInfo].transitive_sources for t in ctx.attr.libraries])
    return {paths.join(SITE, f.short_path): f for f in files.to_list() if not f.short_path.startswith("../")}

def _by_path(targets):
    """Targets of one file, by their path in the image."""
    return {path: target[DefaultInfo].files.to_list()[0] for target, path in targets.items()}

def _image_layer_impl(ctx):
    wheels = _wheels(ctx)
    sources = _sources(ctx) | _by_path(ctx.attr.data)
    programs = _by_path(ctx.attr.programs)
    spec = ctx.actions.declare_file(ctx.label.name + ".spec.json")
    layer = ctx.actions.declare_file(ctx.label.name + ".tar.gz")
    ctx.actions.write(spec, json.encode_indent({
        "bytecode": ctx.attr.bytecode,
        "debs": [f.path for f in ctx.files.debs],
        "files": {path: json.decode(what) for path, what in ctx.attr.files.items()},
        "left_out": ctx.attr.left_out,
        "programs": {path: f.path for path, f in programs.items()},
        "readers": ctx.attr.readers,
        "sources": {path: f.path for path, f in sources.items()},
        "wheels": [f.path for f in wheels],
    }))
    ctx.actions.run(
        executable = ctx.executable._layer,
        arguments = [spec.path, layer.path],
        env = {"PYTHONHASHSEED": "0"} | ({
            # PEP 657: where there are no sources, nothing shows the column of an error.
            "PYTHONNODEBUGRANGES": "1",
        } if ctx.attr.bytecode == "instead" else {}),
        inputs = depset([spec] + ctx.files.debs + wheels + sources.values() + programs.values()),
        mnemonic = "ImageLayer",
        outputs = [layer],
        progress_message = "Writing layer %{output}",
    )
    return [
        DefaultInfo(files = depset([layer])),
        LayerInfo(
            debs = depset(ctx.files.debs),
            wheels = depset(wheels, transitive = [t[LayerInfo].wheels for t in ctx.attr.below]),
        ),
    ]

image_layer = rule(
    implementation = _image_layer_impl,
    doc = "A layer as .tar.gz: root's files, no times, nothing setuid.",
    attrs = {
        "below": attr.label_list(providers = [LayerInfo], doc = "Layers whose wheels need not come again."),
        "bytecode": attr.string(
            doc = "Compile Python sources, with the locked Debian Python; the bytecode lies beside them, or comes instead, without docstrings.",
            values = ["", "beside", "instead"],
        ),
        "data": attr.label_keyed_string_dict(doc = "Targets of one file to their path in the image."),
        "debs": attr.label_list(allow_files = [".deb"], doc = "Debian packages to unpack; no script of theirs is run."),
        "files": attr.string_dict(doc = "Path to a JSON object: {\"text\": ...}, {\"directory\": mode} or {\"link\": target}."),
        "left_out": attr.string_list(doc = "Globs of paths that stay out; a later !GLOB takes some in again."),
        "libraries": attr.label_list(providers = [PyInfo], doc = "py_library targets whose sources of this workspace come in."),
        "programs": attr.label_keyed_string_dict(allow_files = True, doc = "Programs of one file to their path in the image."),
        "readers": attr.string_list(doc = "Globs of sources that stay where bytecode comes instead, for they are read when imported."),
        "wheels": attr.label_list(doc = "`:whl` targets of a pip hub; what they require comes with them."),
        "_layer": attr.label(default = "//bazel/image:layer", executable = True, cfg = "exec"),
    },
)
