"Module extension for Go: the toolchain, and the modules of the programs."

load(":repository.bzl", "go_repository")

def _go_impl(ctx):
    go_repository(
        name = "go",
        mods = [
            Label("//examples/metrics:go.mod"),
            Label("//tests/charts/kube_score:go.mod"),
        ],
        toolchain_lock = Label("//bazel/python:requirements_go.txt"),
    )
    return ctx.extension_metadata(reproducible = True)

go = module_extension(implementation = _go_impl)
