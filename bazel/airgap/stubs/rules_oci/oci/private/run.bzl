"oci_load and oci_push: what `bazel run` starts."

def _path(file):
    """Path of a file under the folder of runfiles."""
    return file.short_path[3:] if file.short_path.startswith("../") else "_main/" + file.short_path

def _launcher(ctx, substitutions, files):
    script = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.expand_template(template = ctx.file._template, output = script, substitutions = substitutions, is_executable = True)
    return DefaultInfo(executable = script, runfiles = ctx.runfiles(files))

def _load_impl(ctx):
    archive = ctx.actions.declare_file("%s/tarball.tar" % ctx.label.name)
    ctx.actions.run(
        executable = ctx.executable._layout,
        arguments = ["archive", ctx.file.image.path, archive.path] + ctx.attr.repo_tags,
        inputs = [ctx.file.image],
        mnemonic = "OCITarball",
        outputs = [archive],
    )
    loader = ctx.executable.loader
    launcher = _launcher(ctx, {"{{archive}}": _path(archive), "{{loader}}": _path(loader)}, [archive, loader])
    return [launcher, OutputGroupInfo(tarball = depset([archive]))]

oci_load = rule(
    implementation = _load_impl,
    attrs = {
        "image": attr.label(allow_single_file = True, mandatory = True),
        "loader": attr.label(allow_files = True, cfg = "target", executable = True, mandatory = True),
        "repo_tags": attr.string_list(mandatory = True),
        "_layout": attr.label(default = "//oci/private:layout", executable = True, cfg = "exec"),
        "_template": attr.label(default = "//oci/private:load.sh.tpl", allow_single_file = True),
    },
    executable = True,
)

def _push_impl(ctx):
    substitutions = {"{{crane}}": _path(ctx.file._crane), "{{image}}": _path(ctx.file.image), "{{tags}}": " ".join(ctx.attr.remote_tags)}
    return _launcher(ctx, substitutions, [ctx.file._crane, ctx.file.image])

oci_push = rule(
    implementation = _push_impl,
    attrs = {
        "image": attr.label(allow_single_file = True, mandatory = True),
        "remote_tags": attr.string_list(mandatory = True),
        "_crane": attr.label(default = "//oci/private:crane.sh", allow_single_file = True),
        "_template": attr.label(default = "//oci/private:push.sh.tpl", allow_single_file = True),
    },
    executable = True,
)
