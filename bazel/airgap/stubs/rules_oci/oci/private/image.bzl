"oci_image and oci_image_index: OCI layouts, written by layout.py."

_LAYOUT = attr.label(default = "//oci/private:layout", executable = True, cfg = "exec")

def _write(ctx, command, inputs, args):
    layout = ctx.actions.declare_directory(ctx.label.name)
    digest = ctx.actions.declare_file(ctx.label.name + ".json.sha256")
    args.add_all([layout.path, digest])
    ctx.actions.run(
        executable = ctx.executable._layout,
        arguments = [command, args],
        inputs = inputs,
        mnemonic = "OCIImage" if command == "image" else "OCIIndex",
        outputs = [layout, digest],
        progress_message = "OCI Image %{label}",
    )
    return [DefaultInfo(files = depset([layout])), OutputGroupInfo(digest = depset([digest]))]

def _image_impl(ctx):
    if not ctx.attr.os or not ctx.attr.architecture:
        fail("'os' and 'architecture' are mandatory when 'base' is unspecified.")
    args = ctx.actions.args()
    args.add("--platform", json.encode({"architecture": ctx.attr.architecture, "os": ctx.attr.os}))
    inputs = list(ctx.files.tars)
    for tar in ctx.files.tars:
        args.add("--layer", tar)

        # The label as Bazel writes it: it stands in the image's history.
        args.add(tar.owner)
    for name in ("entrypoint", "exposed_ports", "env", "labels"):
        file = getattr(ctx.file, name)
        if file:
            args.add("--" + name, file)
            inputs.append(file)
    if ctx.attr.user:
        args.add("--user", ctx.attr.user)
    return _write(ctx, "image", inputs, args)

oci_image = rule(
    implementation = _image_impl,
    attrs = {
        "architecture": attr.string(),
        "entrypoint": attr.label(allow_single_file = True),
        "env": attr.label(allow_single_file = True),
        "exposed_ports": attr.label(allow_single_file = True),
        "labels": attr.label(allow_single_file = True),
        "os": attr.string(),
        "tars": attr.label_list(allow_files = [".tar", ".tar.gz", ".tgz"]),
        "user": attr.string(),
        "_layout": _LAYOUT,
    },
)

def _index_impl(ctx):
    args = ctx.actions.args()
    args.add_all(ctx.files.images, before_each = "--image", expand_directories = False)
    return _write(ctx, "index", ctx.files.images, args)

oci_image_index = rule(
    implementation = _index_impl,
    attrs = {
        "images": attr.label_list(allow_files = True, mandatory = True),
        "_layout": _LAYOUT,
    },
)
