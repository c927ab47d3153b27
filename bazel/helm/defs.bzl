"Rules for Helm charts: helm_chart, helm_template_test, helm_lint_test."

load("@aspect_bazel_lib//lib:diff_test.bzl", "diff_test")
load("//bazel:goldens.bzl", "golden_file")
load(":chart.bzl", _helm_chart = "helm_chart")
load(":template.bzl", "helm_template", _helm_lint_test = "helm_lint_test")

helm_chart = _helm_chart
helm_lint_test = _helm_lint_test

def helm_template_test(name, chart, golden = None, base = None, **kwargs):
    """A test that a chart renders, with these values, to what a golden file shows.

    A golden file has what differs from another render, by object and path, or every object where there is no other.

    NAME_rendered is the rendered chart, for other tests. NAME_golden_test is the test. `bazel run` of NAME_golden writes the
    golden file goldens/NAME.diff, unless it is another test's.

    Args:
        name: of the case
        chart: a helm_chart
        golden: path in this package of another test's golden file, which this one must show as well
        base: label of the other render
        **kwargs: of helm_template: values, set, helm
    """
    helm_template(name = name + "_rendered", chart = chart, **kwargs)
    native.genrule(
        name = name + "_differences",
        srcs = [":%s_rendered" % name] + ([base] if base else []),
        outs = [name + "_differences.diff"],
        cmd = "$(execpath //tools/charts:differences) $(execpath :%s_rendered) --output $@" % name +
              (" --base $(execpath %s)" % base if base else ""),
        tools = ["//tools/charts:differences"],
    )
    if golden:
        diff_test(
            name = name + "_golden_test",
            diff_args = ["--unified"],
            file1 = ":%s_differences" % name,
            file2 = golden,
        )
    else:
        golden_file(
            name = name + "_golden",
            in_file = ":%s_differences" % name,
            out_file = "goldens/%s.diff" % name,
        )

def helm_example(name, version):
    """A chart of the package with the libraries of charts/dox-asdlc, a golden of its defaults and a lint test."""
    helm_chart(
        name = name,
        srcs = ["Chart.yaml", "values.yaml"] + native.glob(["templates/**"]),
        libraries = ["//charts/dox-asdlc:libraries"],
        version = version,
    )
    helm_template_test(
        name = "defaults",
        chart = ":" + name,
    )
    helm_lint_test(
        name = "lint_test",
        size = "small",
        chart = ":" + name,
    )
