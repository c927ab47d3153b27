"Fetches buildifier's npm package through the machine's own npm."

_PACKAGE = "@bazel/buildifier@8.2.1"
_SHA256 = "b96ea9b13003036c801f52bee6f9b0314738f8432e5cb9d814c89f59292604ee"

def _buildifier_binary_impl(ctx):
    arch = {"aarch64": "arm64", "amd64": "amd64", "x86_64": "amd64"}.get(ctx.os.arch)
    if not arch:
        fail("buildifier: no binary for the architecture '%s'" % ctx.os.arch)
    result = ctx.execute(["npm", "pack", "--silent", "--ignore-scripts", _PACKAGE], timeout = 300)
    if result.return_code:
        fail("buildifier: npm could not fetch %s: %s" % (_PACKAGE, result.stderr.strip().split("\n")[-1]))
    archive = result.stdout.strip().split("\n")[-1]
    sha256 = ctx.execute(["sha256sum", archive]).stdout.split(" ")[0]
    if sha256 != _SHA256:
        fail("buildifier: %s has sha256 %s, wanted %s: the registry serves another file" % (_PACKAGE, sha256, _SHA256))
    ctx.extract(archive, stripPrefix = "package")
    ctx.symlink("buildifier-linux_" + arch, "buildifier")
    ctx.file("BUILD.bazel", 'exports_files(["buildifier"], visibility = ["//visibility:public"])\n')

_buildifier_binary = repository_rule(implementation = _buildifier_binary_impl)

def _buildifier_impl(ctx):
    _buildifier_binary(name = "buildifier_binary")
    return ctx.extension_metadata(reproducible = True)

buildifier = module_extension(implementation = _buildifier_impl)
