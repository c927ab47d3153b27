"What a test or tool that runs the images gives as `data` and `env`."

_PACKAGES = {
    "demo": "//examples/demo",
    "elasticsearch": "//servers/elasticsearch",
    "redis": "//servers/redis",
}

# REDIS_IMAGE is for the target platform, REDIS_IMAGE_AMD64 and REDIS_IMAGE_ARM64 are for those.
_IMAGES = {
    "%s_IMAGE%s" % (
        server.upper(),
        suffix.upper(),
    ): "%s:image%s" % (package, suffix)
    for server, package in _PACKAGES.items()
    for suffix in ("", "_amd64", "_arm64")
}

_OWN = {name: label for name, label in _IMAGES.items() if name.endswith("_IMAGE")}

IMAGES_DATA = _OWN.values()
IMAGES_ENV = {name: "$(rlocationpath %s)" % label for name, label in _OWN.items()}

ALL_IMAGES_DATA = _IMAGES.values()
ALL_IMAGES_ENV = {name: "$(rlocationpath %s)" % label for name, label in _IMAGES.items()}

# REDIS_SBOM_AMD64_SPDX and the like.
_SBOMS = {
    "%s_SBOM_%s_%s" % (
        server.upper(),
        architecture.upper(),
        name,
    ): "%s:sbom_%s.%s.json" % (package, architecture, form)
    for server, package in _PACKAGES.items()
    for architecture in ("amd64", "arm64")
    for name, form in (("CYCLONEDX", "cdx"), ("SPDX", "spdx"))
}

SBOMS_DATA = _SBOMS.values()
SBOMS_ENV = {name: "$(rlocationpath %s)" % label for name, label in _SBOMS.items()}
