"Schemas that others publish, for tests of what we write in their formats."

load("//bazel:host.bzl", "host_program")

# npm package with the schemas of MCP bundles' manifests.
_MCPB = "@anthropic-ai/mcpb@2.1.2"
_MCPB_SHA256 = "81174993380eb930bcacecc890b1acfdb06cf336366e445404aea36467417cc1"

def _npm_package_impl(ctx):
    what = "schemas of the npm package " + ctx.attr.package
    npm = host_program(ctx, "npm", what, "npm")
    result = ctx.execute([npm, "pack", "--silent", "--ignore-scripts", ctx.attr.package], timeout = 300)
    if result.return_code:
        fail("%s: npm can't fetch it: %s" % (what, result.stderr.strip().split("\n")[-1]))
    archive = result.stdout.strip().split("\n")[-1]
    sha256 = ctx.download("file://%s" % ctx.path(archive), "archive.tgz").sha256
    if sha256 != ctx.attr.sha256:
        fail("%s: its archive has sha256 %s, wanted %s: the registry serves another file" % (what, sha256, ctx.attr.sha256))
    ctx.extract("archive.tgz", stripPrefix = "package")
    ctx.delete("archive.tgz")
    ctx.delete(archive)
    ctx.file("BUILD.bazel", 'exports_files(glob(["schemas/*.json"]), visibility = ["//visibility:public"])\n')

_npm_package = repository_rule(
    implementation = _npm_package_impl,
    doc = "The JSON schemas of an npm package, fetched by this machine's npm.",
    attrs = {
        "package": attr.string(mandatory = True, doc = "NAME@VERSION"),
        "sha256": attr.string(mandatory = True, doc = "Of the package's archive."),
    },
)

def _schemas_impl(ctx):
    _npm_package(name = "mcpb", package = _MCPB, sha256 = _MCPB_SHA256)
    return ctx.extension_metadata(reproducible = True)

schemas = module_extension(implementation = _schemas_impl)
