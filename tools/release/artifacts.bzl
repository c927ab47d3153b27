"What a release consists of, in one folder."

def _release_artifacts_impl(ctx):
    folder = ctx.actions.declare_directory(ctx.label.name)
    spec = ctx.actions.declare_file(ctx.label.name + ".json")
    chart = ctx.file.chart
    files = {chart.basename: chart.path}
    for target, name in ctx.attr.files.items():
        files[name] = target[DefaultInfo].files.to_list()[0].path
    ctx.actions.write(spec, json.encode({
        "files": files,
        "images": {name: target[DefaultInfo].files.to_list()[0].path for target, name in ctx.attr.images.items()},
    }))
    ctx.actions.run(
        executable = ctx.executable._collect,
        arguments = [spec.path, folder.path],
        inputs = [spec, chart] + ctx.files.files + ctx.files.images,
        mnemonic = "ReleaseArtifacts",
        outputs = [folder],
    )
    return [DefaultInfo(files = depset([folder]))]

release_artifacts = rule(
    implementation = _release_artifacts_impl,
    doc = "A folder with images as OCI layouts, their SBOMs, and a chart: see collect.py.",
    attrs = {
        "chart": attr.label(allow_single_file = [".tgz"], mandatory = True),
        "files": attr.label_keyed_string_dict(allow_files = True, doc = "Files to their names in the folder."),
        "images": attr.label_keyed_string_dict(allow_files = True, doc = "Indexes of images to their names."),
        "_collect": attr.label(default = "//tools/release:collect", executable = True, cfg = "exec"),
    },
)
