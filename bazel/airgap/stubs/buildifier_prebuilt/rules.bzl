"""buildifier and buildifier_test, with upstream's attributes as far as this workspace uses them.

Both work on the whole source tree, which they find behind the link to the file named by `workspace`.
"""

_LAUNCHER = """#!/bin/sh
set -eu
buildifier=$(readlink -f "{buildifier}")
if [ -n "${{BUILD_WORKSPACE_DIRECTORY:-}}" ]; then cd "$BUILD_WORKSPACE_DIRECTORY"; else cd "$(dirname "$(readlink -f "{workspace}")")"; fi
set -- -mode={mode} -lint={lint_mode}
find . -type f \\( -name '*.bzl' -o -name BUILD.bazel -o -name BUILD -o -name MODULE.bazel -o -name WORKSPACE \\) {excludes} -print |
  sort | xargs "$buildifier" "$@" || {{
    echo "buildifier: run 'bazel run //:buildifier' to format; warnings above are for you to mend" >&2; exit 1; }}
"""

_ATTRS = {
    "exclude_patterns": attr.string_list(doc = "Patterns of find's -path, such as ./.git/*."),
    "lint_mode": attr.string(default = "off", values = ["off", "warn", "fix"]),
    "mode": attr.string(default = "fix", values = ["check", "diff", "fix"]),
    "no_sandbox": attr.bool(doc = "As the test always is, for it reads the source tree."),
    "workspace": attr.label(allow_single_file = True, doc = "A file at the root of the workspace."),
    "_buildifier": attr.label(allow_single_file = True, cfg = "exec", default = "@buildifier_binary//:buildifier"),
}

def _impl(ctx):
    script = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.write(script, is_executable = True, content = _LAUNCHER.format(
        buildifier = "../" + ctx.file._buildifier.short_path[3:],
        excludes = " ".join(["! -path '%s'" % p for p in ctx.attr.exclude_patterns]),
        lint_mode = ctx.attr.lint_mode,
        mode = ctx.attr.mode,
        workspace = ctx.file.workspace.short_path if ctx.file.workspace else "",
    ))
    files = [ctx.file._buildifier] + ([ctx.file.workspace] if ctx.file.workspace else [])
    return [DefaultInfo(executable = script, runfiles = ctx.runfiles(files))]

buildifier = rule(implementation = _impl, attrs = _ATTRS, executable = True)

_buildifier_test = rule(implementation = _impl, attrs = _ATTRS, test = True)

def buildifier_test(name, **kwargs):
    """A test that the whole source tree is formatted and free of lint warnings; upstream can also check some `srcs`."""
    _buildifier_test(name = name, tags = ["external", "no-cache", "no-sandbox"], **kwargs)
