"Rules for Helm charts: helm_chart, helm_template_test, helm_lint_test."

load("//bazel/golden:defs.bzl", "golden_test")
load(":chart.bzl", _helm_chart = "helm_chart")
load(":template.bzl", "helm_template", _helm_lint_test = "helm_lint_test")

helm_chart = _helm_chart
helm_lint_test = _helm_lint_test

def helm_template_test(name, chart, golden = None, base = None, size = "small", **kwargs):
    """A test that a chart renders, with these values, to the very text of a golden file.

    NAME_rendered is what it renders to, for other tests. `bazel run //tools:update_goldens` accepts it.

    With a base the golden file has only what differs from another render, by object and path.

    Args:
        name: of the test
        chart: a helm_chart
        golden: path in this package of the golden file; default: goldens/NAME.yaml, with a base goldens/NAME.diff
        base: label of the other render
        size: of the test
        **kwargs: of helm_template: values, set, show_only, helm (3 or 4), kube_version, api_versions, release, namespace
    """
    helm_template(name = name + "_rendered", chart = chart, **kwargs)
    if base:
        native.genrule(
            name = name + "_differences",
            srcs = [base, ":%s_rendered" % name],
            outs = [name + "_differences.diff"],
            cmd = "$(execpath //tools/charts:differences) $(execpath %s) $(execpath :%s_rendered) --output $@" % (base, name),
            tools = ["//tools/charts:differences"],
        )
    golden_test(
        name = name,
        size = size,
        generated = ":%s_%s" % (name, "differences" if base else "rendered"),
        golden = golden or "goldens/%s.%s" % (name, "diff" if base else "yaml"),
    )
