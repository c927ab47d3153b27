"The programs of a test or tool that runs the images."

_PACKAGES = {
    "demo": "//examples/demo",
    "elasticsearch": "//servers/elasticsearch",
    "redis": "//servers/redis",
}

# REDIS_IMAGE is for the target platform, REDIS_IMAGE_AMD64 and REDIS_IMAGE_ARM64 are for those.
ALL_IMAGES = {
    "%s_IMAGE%s" % (server.upper(), suffix.upper()): "%s:image%s" % (package, suffix)
    for server, package in _PACKAGES.items()
    for suffix in ("", "_amd64", "_arm64")
}

IMAGES = {name: label for name, label in ALL_IMAGES.items() if name.endswith("_IMAGE")}

# REDIS_SBOM_AMD64_SPDX and the like.
SBOMS = {
    "%s_SBOM_%s_%s" % (server.upper(), architecture.upper(), name): "%s:sbom_%s.%s.json" % (package, architecture, form)
    for server, package in _PACKAGES.items()
    for architecture in ("amd64", "arm64")
    for name, form in (("CYCLONEDX", "cdx"), ("SPDX", "spdx"))
}
