"""Module extension for npm packages, from each package-lock.json: `@npm` is what tests run, `@npm_targets` a server.

`@npm//:bin/node` is Node.js; `@npm//:node_modules` the folder of the packages. `@npm_claude_code//:bin/claude` is Claude Code;
`@npm_clients//:node_modules` holds further clients.
"""

load(":repository.bzl", "npm_repository")

_NODE = {"node": "node-linux-{arch}/bin/node"}

# By repository: where its package.json and package-lock.json are, its programs, and whether an image has them.
_REPOSITORIES = {
    "npm": ("//bazel/npm:", _NODE, False),
    "npm_claude_code": ("//bazel/npm:claude_code/", {"claude": "@anthropic-ai/claude-code-linux-{arch}/claude"}, False),
    "npm_clients": ("//bazel/npm:clients/", {}, False),
    "npm_targets": ("//examples/targets:", _NODE, True),
}

def _npm_impl(ctx):
    for name, (place, programs, images) in _REPOSITORIES.items():
        npm_repository(
            name = name,
            images = images,
            lock = Label(place + "package-lock.json"),
            manifest = Label(place + "package.json"),
            programs = programs,
        )
    return ctx.extension_metadata(reproducible = True)

npm = module_extension(implementation = _npm_impl)
