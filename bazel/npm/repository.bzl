"Fetches locked npm packages through the machine's own npm, and with them the programs that are packages."

load("//bazel:host.bzl", "host_program")

_WHAT = "npm packages of the tests"

# node_modules is a folder: what uses a module names it by its path in there.
_BUILD = """exports_files(
    %s,
    visibility = ["//visibility:public"],
)
"""

def _npm_repository_impl(ctx):
    npm = host_program(ctx, "npm", _WHAT, "npm")
    if not ctx.os.name.lower().startswith("linux"):
        fail("%s: they bring programs for Linux only, and this machine is %s: run these tests on Linux" % (_WHAT, ctx.os.name))
    arch = {"aarch64": "arm64", "amd64": "x64", "x86_64": "x64"}.get(ctx.os.arch)
    if not arch:
        fail("%s: no programs for the architecture '%s'" % (_WHAT, ctx.os.arch))
    ctx.symlink(ctx.attr.manifest, "package.json")
    ctx.symlink(ctx.attr.lock, "package-lock.json")
    ctx.report_progress("npm fetches the packages of %s" % ctx.attr.lock)

    # npm itself checks each archive against the lock's hash. No package's script is run.
    result = ctx.execute([
        npm,
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--loglevel=error",
    ], timeout = 1200)
    if result.return_code:
        reason = [line for line in result.stderr.split("\n") if line.startswith("npm error") or line.startswith("npm ERR!")]
        fail("%s: npm can't fetch what %s names: %s" % (
            _WHAT,
            ctx.attr.lock,
            " ".join(reason)[:600] or result.stderr.strip()[-600:] or "it gives no reason",
        ))
    ctx.execute(["mkdir", "bin"])
    for name, path in ctx.attr.programs.items():
        moved = ctx.execute(["mv", "node_modules/" + path.format(arch = arch), "bin/" + name])
        if moved.return_code:
            fail("%s: there is no %s: %s" % (_WHAT, path.format(arch = arch), moved.stderr.strip()))

    for path in ["node_modules/node-linux-" + arch, "node_modules/.bin"]:  # headers, manuals; links to programs
        ctx.delete(path)

    # A package of this repository would end at a BUILD file of theirs.
    ctx.execute(["find", "node_modules", "(", "-name", "BUILD", "-o", "-name", "BUILD.bazel", ")", "-delete"])
    ctx.file("BUILD.bazel", _BUILD % (["bin/" + name for name in ctx.attr.programs] + ["node_modules"]))

npm_repository = repository_rule(
    implementation = _npm_repository_impl,
    doc = "The packages of a package-lock.json as `:node_modules`, one folder, and programs as `:bin/NAME`.",
    attrs = {
        "lock": attr.label(allow_single_file = True, mandatory = True, doc = "npm's package-lock.json."),
        "manifest": attr.label(allow_single_file = True, mandatory = True, doc = "The package.json that the lock is made from."),
        "programs": attr.string_dict(doc = "Names of programs, and where each is in node_modules; {arch} is x64 or arm64."),
    },
)
