"helm_chart: a chart as a package."

HELM = attr.label(allow_single_file = True, cfg = "exec", default = "@helm4//:helm", doc = "Helm: @helm3//:helm or @helm4//:helm.")

HelmChartInfo = provider("A packaged chart.", fields = {"name": "its name, as in Chart.yaml", "version": "its version"})

def _helm_chart_impl(ctx):
    package = ctx.actions.declare_file("%s-%s.tgz" % (ctx.label.name, ctx.attr.version))
    args = ctx.actions.args()
    args.add("--helm", ctx.file.helm)
    args.add("--root", ctx.label.package)
    args.add("--version", ctx.attr.version)
    args.add("--output", package)
    args.add_all(ctx.files.libraries, before_each = "--library")
    added = []
    for target, path in ctx.attr.files.items():
        (file,) = target.files.to_list()
        added.append(file)
        args.add("--file")
        args.add(path)
        args.add(file)
    args.add_all(ctx.files.srcs)
    ctx.actions.run(
        executable = ctx.executable._package,
        arguments = [args],
        inputs = ctx.files.srcs + ctx.files.libraries + added,
        mnemonic = "HelmPackage",
        outputs = [package],
        progress_message = "Packaging chart %{label}",
        tools = [ctx.file.helm],
    )
    return [
        DefaultInfo(files = depset([package])),
        HelmChartInfo(name = ctx.label.name, version = ctx.attr.version),
    ]

helm_chart = rule(
    implementation = _helm_chart_impl,
    doc = """NAME-VERSION.tgz, as `helm package` makes it but byte for byte reproducible.

NAME is the chart's. The version is stamped into the chart and into those of its subcharts that have the version
of the chart's sources, in their dependencies on each other as well.""",
    attrs = {
        "files": attr.label_keyed_string_dict(
            allow_files = True,
            doc = "Further files, such as a generated README.md, and their paths in the chart.",
        ),
        "helm": HELM,
        "libraries": attr.label_list(
            allow_files = True,
            doc = "Files of library charts of another package, each below a folder charts/; they come into this chart's charts/.",
        ),
        "srcs": attr.label_list(allow_files = True, mandatory = True, doc = "Files below this package: Chart.yaml, templates ..."),
        "version": attr.string(mandatory = True, doc = "Semantic version 2 of the package."),
        "_package": attr.label(default = "//bazel/helm:package", executable = True, cfg = "exec"),
    },
)
