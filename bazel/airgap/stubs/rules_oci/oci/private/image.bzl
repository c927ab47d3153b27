"oci_image and oci_image_index: OCI layouts, written by layout.py."

_LAYOUT = attr.label(default = "//oci/private:layout", executable = True, cfg = "exec")

def _write(ctx, command, inputs, args):
    layout = ctx.actions.declare_directory(ctx.label.name)
    digest = ctx.actions.declare_file(ctx.label.name + ".json.sha256")
    ctx.actions.run(
        executable = ctx.executable._layout,
        arguments = [command, layout.path, digest.path, args],
        inputs = inputs,
        mnemonic = "OCIImage" if command == "image" else "OCIIndex",
        outputs = [layout, digest],
        progress_message = "OCI Image %{label}",
    )
    return [DefaultInfo(files = depset([layout])), OutputGroupInfo(digest = depset([digest]))]

def _image_impl(ctx):
    spec = ctx.actions.declare_file(ctx.label.name + ".spec.json")
    ctx.actions.write(spec, json.encode({
        "entrypoint": ctx.attr.entrypoint,
        "env": ["%s=%s" % pair for pair in ctx.attr.env.items()],
        "exposed_ports": ctx.attr.exposed_ports,
        "labels": ctx.attr.labels,
        # With the label as Bazel writes it: it stands in the image's history.
        "layers": [[tar.path, str(tar.owner).removeprefix("@@")] for tar in ctx.files.tars],
        "platform": {"architecture": ctx.attr.architecture, "os": ctx.attr.os},
        "user": ctx.attr.user,
    }))
    args = ctx.actions.args()
    args.add(spec)
    return _write(ctx, "image", [spec] + ctx.files.tars, args)

oci_image = rule(
    implementation = _image_impl,
    attrs = {
        "architecture": attr.string(mandatory = True),
        "entrypoint": attr.string_list(),
        "env": attr.string_dict(),
        "exposed_ports": attr.string_list(),
        "labels": attr.string_dict(),
        "os": attr.string(mandatory = True),
        "tars": attr.label_list(allow_files = [".tar", ".tar.gz", ".tgz"]),
        "user": attr.string(),
        "_layout": _LAYOUT,
    },
)

def _index_impl(ctx):
    args = ctx.actions.args()
    args.add_all(ctx.files.images, expand_directories = False)
    return _write(ctx, "index", ctx.files.images, args)

oci_image_index = rule(
    implementation = _index_impl,
    attrs = {
        "images": attr.label_list(allow_files = True, mandatory = True),
        "_layout": _LAYOUT,
    },
)
