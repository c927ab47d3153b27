"""Module extension for npm packages, from each package-lock.json: `@npm` is what tests run, `@npm_targets` a server.

`@npm//:bin/node` is Node.js; `@npm//:node_modules` the folder of the packages.
"""

load(":repository.bzl", "npm_repository")

def _npm_impl(ctx):
    npm_repository(
        name = "npm",
        lock = Label("//bazel/npm:package-lock.json"),
        manifest = Label("//bazel/npm:package.json"),
    )
    npm_repository(
        name = "npm_targets",
        images = True,
        lock = Label("//examples/targets:package-lock.json"),
        manifest = Label("//examples/targets:package.json"),
    )
    return ctx.extension_metadata(reproducible = True)

npm = module_extension(implementation = _npm_impl)
