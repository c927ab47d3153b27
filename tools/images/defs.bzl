"What a test or tool that runs the images gives as `data` and `env`."

_SERVERS = ["demo", "elasticsearch", "redis"]

# REDIS_IMAGE is for the target platform, REDIS_IMAGE_AMD64 and REDIS_IMAGE_ARM64 are for those.
_IMAGES = {
    "%s_IMAGE%s" % (
        server.upper(),
        suffix.upper(),
    ): "//servers/%s:image%s" % (server, suffix)
    for server in _SERVERS
    for suffix in ("", "_amd64", "_arm64")
}

_OWN = {name: label for name, label in _IMAGES.items() if name.endswith("_IMAGE")}

IMAGES_DATA = _OWN.values()
IMAGES_ENV = {name: "$(rlocationpath %s)" % label for name, label in _OWN.items()}

ALL_IMAGES_DATA = _IMAGES.values()
ALL_IMAGES_ENV = {name: "$(rlocationpath %s)" % label for name, label in _IMAGES.items()}
