"""Module extension for npm packages, from each package-lock.json: `@npm` is what tests run, `@npm_targets` a server.

`@npm//:bin/node` is Node.js; `@npm//:node_modules` the folder of the packages. `@npm_claude_code//:bin/claude` is Claude Code;
`@npm_clients//:node_modules` holds further clients.
"""

load(":repository.bzl", "npm_repository")

def _npm_impl(ctx):
    npm_repository(
        name = "npm",
        lock = Label("//bazel/npm:package-lock.json"),
        manifest = Label("//bazel/npm:package.json"),
        programs = {"node": "node-linux-{arch}/bin/node"},
    )
    npm_repository(
        name = "npm_claude_code",
        lock = Label("//bazel/npm:claude_code/package-lock.json"),
        manifest = Label("//bazel/npm:claude_code/package.json"),
        programs = {"claude": "@anthropic-ai/claude-code-linux-{arch}/claude"},
    )
    npm_repository(
        name = "npm_clients",
        lock = Label("//bazel/npm:clients/package-lock.json"),
        manifest = Label("//bazel/npm:clients/package.json"),
    )
    npm_repository(
        name = "npm_targets",
        images = True,
        lock = Label("//examples/targets:package-lock.json"),
        manifest = Label("//examples/targets:package.json"),
        programs = {"node": "node-linux-{arch}/bin/node"},
    )
    return ctx.extension_metadata(reproducible = True)

npm = module_extension(implementation = _npm_impl)
