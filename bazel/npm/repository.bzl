"Fetches locked npm packages through the machine's own npm, and with them the programs that are packages."

load("//bazel:host.bzl", "host_program")

_WHAT = "npm packages"

# node_modules is a folder: what uses a module names it by its path in there.
_BUILD = """exports_files(
    glob(["bin/*"], allow_empty = True) + ["node_modules"],
    visibility = ["//visibility:public"],
)
"""

_ARCHITECTURES = {"aarch64": "arm64", "amd64": "x64", "x86_64": "x64"}

def _install(ctx, npm, folder, arch):
    """Fetches the packages for an architecture of Node.js, and moves its programs to bin/."""
    ctx.symlink(ctx.attr.manifest, folder + "package.json")
    ctx.symlink(ctx.attr.lock, folder + "package-lock.json")
    ctx.report_progress("npm fetches the packages of %s" % ctx.attr.lock)

    # npm itself checks each archive against the lock's hash. No package's script is run.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    result = ctx.execute([npm, "ci", "--cpu=" + arch] + options, timeout = 1200, working_directory = folder or ".")
    if result.return_code:
        reason = [line for line in result.stderr.split("\n") if line.startswith("npm error") or line.startswith("npm ERR!")]
        fail("%s: npm can't fetch what %s names: %s" % (
            _WHAT,
            ctx.attr.lock,
            " ".join(reason)[:600] or result.stderr.strip()[-600:] or "it gives no reason",
        ))
    for name, path in ctx.attr.programs.items():
        moved = ctx.execute(["mv", folder + "node_modules/" + path.format(arch = arch), "bin/%s-%s" % (name, arch)])
        if moved.return_code:
            fail("%s: there is no %s: %s" % (_WHAT, path.format(arch = arch), moved.stderr.strip()))
    ctx.delete("%snode_modules/node-linux-%s" % (folder, arch))  # headers, manuals

def _npm_repository_impl(ctx):
    npm = host_program(ctx, "npm", _WHAT, "npm")
    if not ctx.os.name.lower().startswith("linux"):
        fail("%s: they bring programs for Linux only, and this machine is %s: run these tests on Linux" % (_WHAT, ctx.os.name))
    arch = _ARCHITECTURES.get(ctx.os.arch)
    if not arch:
        fail("%s: no programs for the architecture '%s'" % (_WHAT, ctx.os.arch))
    ctx.execute(["mkdir", "bin"])
    _install(ctx, npm, "", arch)
    for name in ctx.attr.programs:
        ctx.symlink("bin/%s-%s" % (name, arch), "bin/" + name)
    ctx.delete("node_modules/.bin")  # links to programs
    if ctx.attr.images:
        for other in ["arm64", "x64"]:
            if other != arch:
                _install(ctx, npm, "other/", other)
                ctx.delete("other")

    # A package of this repository would end at a BUILD file of theirs.
    ctx.execute(["find", "node_modules", "(", "-name", "BUILD", "-o", "-name", "BUILD.bazel", ")", "-delete"])
    ctx.file("BUILD.bazel", _BUILD)

npm_repository = repository_rule(
    implementation = _npm_repository_impl,
    doc = """The packages of a package-lock.json as `:node_modules`, one folder, and programs as `:bin/NAME`.

With images, `:bin/NAME-x64` and `:bin/NAME-arm64` of both architectures.""",
    attrs = {
        "images": attr.bool(doc = "Images need Node.js of both architectures."),
        "lock": attr.label(allow_single_file = True, mandatory = True, doc = "npm's package-lock.json."),
        "manifest": attr.label(allow_single_file = True, mandatory = True, doc = "The package.json that the lock is made from."),
        "programs": attr.string_dict(doc = "Names of programs, and where each is in node_modules; {arch} is x64 or arm64."),
    },
)
