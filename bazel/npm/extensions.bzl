"""Module extension for the npm packages that tests run, from package-lock.json.

`@npm//:bin/node` is Node.js; `@npm//:node_modules` the folder of the packages.
"""

load(":repository.bzl", "npm_repository")

def _npm_impl(ctx):
    npm_repository(
        name = "npm",
        lock = Label("//bazel/npm:package-lock.json"),
        manifest = Label("//bazel/npm:package.json"),
    )
    return ctx.extension_metadata(reproducible = True)

npm = module_extension(implementation = _npm_impl)
