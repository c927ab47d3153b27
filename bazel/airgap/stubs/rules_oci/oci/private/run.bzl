"oci_load and oci_push: what `bazel run` starts."

def _path(file):
    """Path of a file under the folder of runfiles."""
    return file.short_path[3:] if file.short_path.startswith("../") else "_main/" + file.short_path

def _launcher(ctx, template, substitutions, files, others = []):
    script = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.expand_template(template = template, output = script, substitutions = substitutions, is_executable = True)
    runfiles = ctx.runfiles(files)
    for other in others:
        runfiles = runfiles.merge(other[DefaultInfo].default_runfiles)
    return DefaultInfo(executable = script, runfiles = runfiles)

def _load_impl(ctx):
    if ctx.attr.format != "docker":
        fail("rules_oci stand-in: oci_load has format '%s' only in the connected way (BAZELW_MODE=connected)" % ctx.attr.format)
    archive = ctx.actions.declare_file("%s/tarball.tar" % ctx.label.name)
    args = ctx.actions.args()
    args.add_all(["archive", ctx.file.image.path, ctx.file.repo_tags, archive])
    ctx.actions.run(
        executable = ctx.executable._layout,
        arguments = [args],
        inputs = [ctx.file.image, ctx.file.repo_tags],
        mnemonic = "OCITarball",
        outputs = [archive],
    )
    loader = ctx.executable.loader
    launcher = _launcher(
        ctx,
        ctx.file._template,
        {"{{archive}}": _path(archive), "{{loader}}": _path(loader) if loader else ""},
        [archive] + ([loader] if loader else []),
        [ctx.attr.loader] if loader else [],
    )
    return [launcher, OutputGroupInfo(tarball = depset([archive]))]

oci_load = rule(
    implementation = _load_impl,
    attrs = {
        "format": attr.string(default = "docker", values = ["docker", "oci"]),
        "image": attr.label(allow_single_file = True, mandatory = True),
        "loader": attr.label(allow_files = True, cfg = "target", executable = True),
        "repo_tags": attr.label(allow_single_file = [".txt"], mandatory = True),
        "_layout": attr.label(default = "//oci/private:layout", executable = True, cfg = "exec"),
        "_template": attr.label(default = "//oci/private:load.sh.tpl", allow_single_file = True),
    },
    executable = True,
)

def _push_impl(ctx):
    files = [f for f in (ctx.file.image, ctx.file.remote_tags, ctx.file.repository_file) if f]
    return _launcher(ctx, ctx.file._template, {
        "{{image}}": _path(ctx.file.image),
        "{{repository}}": ctx.attr.repository,
        "{{repository_file}}": _path(ctx.file.repository_file) if ctx.file.repository_file else "",
        "{{tags}}": _path(ctx.file.remote_tags) if ctx.file.remote_tags else "",
    }, files)

oci_push = rule(
    implementation = _push_impl,
    attrs = {
        "image": attr.label(allow_single_file = True, mandatory = True),
        "remote_tags": attr.label(allow_single_file = True),
        "repository": attr.string(),
        "repository_file": attr.label(allow_single_file = True),
        "_template": attr.label(default = "//oci/private:push.sh.tpl", allow_single_file = True),
    },
    executable = True,
)
