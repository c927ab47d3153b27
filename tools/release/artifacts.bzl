"What a release consists of, in one folder."

def _release_artifacts_impl(ctx):
    folder = ctx.actions.declare_directory(ctx.label.name)
    placed = {ctx.file.chart.basename: ctx.file.chart}
    placed |= {name: target[DefaultInfo].files.to_list()[0] for target, name in ctx.attr.files.items()}
    placed |= {"images/" + name: target[DefaultInfo].files.to_list()[0] for target, name in ctx.attr.images.items()}
    ctx.actions.run_shell(
        command = 'set -e; out=$1; shift; mkdir "$out/images"; while [ $# != 0 ]; do cp -RL "$2" "$out/$1"; shift 2; done',
        arguments = [folder.path] + [word for name, file in placed.items() for word in (name, file.path)],
        inputs = placed.values(),
        mnemonic = "ReleaseArtifacts",
        outputs = [folder],
    )
    return [DefaultInfo(files = depset([folder]))]

release_artifacts = rule(
    implementation = _release_artifacts_impl,
    doc = "A folder with images/NAME as OCI layouts, their SBOMs NAME-ARCHITECTURE.spdx.json and .cdx.json, and the chart's package.",
    attrs = {
        "chart": attr.label(allow_single_file = [".tgz"], mandatory = True),
        "files": attr.label_keyed_string_dict(allow_files = True, doc = "Files to their names in the folder."),
        "images": attr.label_keyed_string_dict(allow_files = True, doc = "Indexes of images to their names."),
    },
)
