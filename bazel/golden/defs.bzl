"Golden files: what a build generates, kept in the source tree for people to read and review."

load("@rules_python//python:py_test.bzl", "py_test")

GoldenInfo = provider("A golden file.", fields = {"generated": "File of the build", "path": "path in the workspace"})

def _golden_impl(ctx):
    return [
        DefaultInfo(files = depset([ctx.file.generated])),
        GoldenInfo(generated = ctx.file.generated, path = ctx.attr.path),
    ]

_golden = rule(
    implementation = _golden_impl,
    attrs = {
        "generated": attr.label(allow_single_file = True, mandatory = True),
        "path": attr.string(mandatory = True),
    },
)

def golden_test(name, generated, golden, size = "small"):
    """A test that a generated file has the very text of a golden file; else it shows a unified diff.

    Args:
        name: of the test; NAME.golden is for update_goldens
        generated: label of the generated file
        golden: path in this package of the golden file; where it is missing, as at first, the test fails
        size: of the test
    """
    path = native.package_name() + "/" + golden
    files = native.glob([golden], allow_empty = True)
    _golden(
        name = name + ".golden",
        generated = generated,
        path = path,
        testonly = True,
        visibility = ["//visibility:public"],
    )
    py_test(
        name = name,
        size = size,
        srcs = ["//bazel/golden:compare.py"],
        args = ["$(rootpath %s)" % generated, path],
        data = [generated] + files,
        main = "//bazel/golden:compare.py",
    )

def _update_goldens_impl(ctx):
    goldens = [golden[GoldenInfo] for golden in ctx.attr.goldens]
    script = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.write(
        script,
        "#!/usr/bin/env bash\nset -euo pipefail\n" +
        "cd \"${BUILD_WORKSPACE_DIRECTORY:?start it with bazel run}\"\n" +
        "accept() { if ! cmp -s \"$1\" \"$2\"; then mkdir -p \"${2%/*}\"; cat \"$1\" >\"$2\"; echo \"updated $2\"; fi; }\n" +
        "files=$(cd \"$(dirname \"${BASH_SOURCE[0]}\")\" 2>/dev/null && pwd || true)\n" +
        "runfiles=${RUNFILES_DIR:-$0.runfiles}\n" +
        "".join(["accept \"$runfiles/_main/%s\" '%s'\n" % (golden.generated.short_path, golden.path) for golden in goldens]),
        is_executable = True,
    )
    return [DefaultInfo(
        executable = script,
        runfiles = ctx.runfiles([golden.generated for golden in goldens]),
    )]

update_goldens = rule(
    implementation = _update_goldens_impl,
    doc = "`bazel run` writes what is generated now over the golden files.",
    attrs = {"goldens": attr.label_list(mandatory = True, providers = [GoldenInfo], doc = "NAME.golden of golden_tests.")},
    executable = True,
)
