"Rules for Helm charts: helm_chart, helm_template_test, helm_lint_test."

load("//bazel/golden:defs.bzl", "golden_test")
load(":chart.bzl", _helm_chart = "helm_chart")
load(":template.bzl", "helm_template", _helm_lint_test = "helm_lint_test")

helm_chart = _helm_chart
helm_lint_test = _helm_lint_test

def helm_template_test(name, chart, golden = None, size = "small", **kwargs):
    """A test that a chart renders, with these values, to the very text of a golden file.

    NAME_rendered is what it renders to, for other tests. `bazel run //tools:update_goldens` accepts it.

    Args:
        name: of the test
        chart: a helm_chart
        golden: path in this package of the golden file; default: goldens/NAME.yaml
        size: of the test
        **kwargs: of helm_template: values, set, show_only, helm (3 or 4), kube_version, api_versions, release, namespace
    """
    helm_template(name = name + "_rendered", chart = chart, **kwargs)
    golden_test(
        name = name,
        size = size,
        generated = ":%s_rendered" % name,
        golden = golden or "goldens/%s.yaml" % name,
    )
