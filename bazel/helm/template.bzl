"helm_template: what a chart renders to; helm_lint_test: what `helm lint --strict` says of it."

load(":chart.bzl", "HELM", "HelmChartInfo")

_CHART = attr.label(allow_single_file = [".tgz"], mandatory = True, providers = [HelmChartInfo], doc = "A helm_chart.")
_VALUES = attr.label_list(allow_files = [".yaml"], doc = "Values files, the last one wins.")

# Helm writes nothing outside of the action's own folder.
_HOMES = 'export HELM_CACHE_HOME="$PWD/.helm" HELM_CONFIG_HOME="$PWD/.helm" HELM_DATA_HOME="$PWD/.helm"'

def _helm_template_impl(ctx):
    rendered = ctx.actions.declare_file(ctx.label.name + ".yaml")
    args = ctx.actions.args()
    args.add_all([ctx.file.helm, "template", "dox", ctx.file.chart, "--namespace", "dox-asdlc"])
    args.add_all(ctx.files.values, before_each = "--values")
    args.add_all(ctx.attr.set, before_each = "--set")
    ctx.actions.run_shell(
        command = _HOMES + ' && output=$1 && shift && "$@" >"$output"',
        arguments = [rendered.path, args],
        inputs = [ctx.file.chart] + ctx.files.values,
        mnemonic = "HelmTemplate",
        outputs = [rendered],
        progress_message = "Rendering %{label}",
        tools = [ctx.file.helm],
    )
    return [DefaultInfo(files = depset([rendered]))]

helm_template = rule(
    implementation = _helm_template_impl,
    doc = "NAME.yaml: what `helm template` makes of a chart.",
    attrs = {
        "chart": _CHART,
        "helm": HELM,
        "set": attr.string_list(doc = "KEY=VALUE, as --set takes it."),
        "values": _VALUES,
    },
)

def _helm_lint_test_impl(ctx):
    words = [ctx.file.helm.short_path, "lint", "--strict", ctx.file.chart.short_path]
    words += ["--values=" + file.short_path for file in ctx.files.values]

    # Files of other repositories lie beside this one's.
    script = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.write(
        script,
        "#!/usr/bin/env bash\ncd \"$TEST_TMPDIR\" && %s && cd - >/dev/null && exec %s\n" % (
            _HOMES,
            " ".join(["'%s'" % word.replace("'", "'\\''") for word in words]),
        ),
        is_executable = True,
    )
    return [DefaultInfo(
        executable = script,
        runfiles = ctx.runfiles([ctx.file.helm, ctx.file.chart] + ctx.files.values),
    )]

helm_lint_test = rule(
    implementation = _helm_lint_test_impl,
    doc = "Passes when `helm lint --strict` finds nothing.",
    attrs = {
        "chart": _CHART,
        "helm": HELM,
        "values": _VALUES,
    },
    test = True,
)
