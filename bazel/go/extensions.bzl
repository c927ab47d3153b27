"Module extension for Go: the toolchain, and the modules of examples/metrics."

load(":repository.bzl", "go_repository")

def _go_impl(ctx):
    go_repository(
        name = "go",
        mod = Label("//examples/metrics:go.mod"),
        sum = Label("//examples/metrics:go.sum"),
        toolchain_lock = Label("//bazel/python:requirements_go.txt"),
    )
    return ctx.extension_metadata(reproducible = True)

go = module_extension(implementation = _go_impl)
