"Fetches a locked Debian package, whichever of the machine's mirrors has it."

_MIRRORS = Label("//bazel/debian:mirrors.sh")

ENVIRON = ["DEBIAN_MIRROR", "DEBIAN_SECURITY_MIRROR", "DEBIAN_SNAPSHOT"]

def watch_mirrors(ctx):
    """Resolves what fetching needs, so that a repository rule restarts before it downloads and not between.

    Args:
        ctx: the repository rule's context
    """
    ctx.path(_MIRRORS)
    for name in ENVIRON:
        ctx.getenv(name)

def fetch_package(ctx, package, snapshot, output):
    """Downloads one package and checks it against the lock.

    Args:
        ctx: the repository rule's context
        package: struct or dict of the lock: name, version, architecture, archive, path, sha256
        snapshot: the time of the lock, for the snapshot archive
        output: the file to write
    """
    what = "Debian package %s %s (%s)" % (package["name"], package["version"], package["architecture"])
    mirrors = ctx.execute([ctx.path(_MIRRORS), package["archive"], snapshot])
    if mirrors.return_code:
        fail("%s: %s" % (what, mirrors.stderr.strip()))
    found = {}
    for mirror in mirrors.stdout.strip().split("\n"):
        url = mirror + "/" + package["path"]
        if ctx.download(url, output, sha256 = package["sha256"], allow_fail = True).success:
            return

        # Asked again without a hash, to tell a file that is another from one that is not there.
        other = ctx.download(url, output, allow_fail = True)
        if other.success:
            found[mirror] = other.sha256
    if found:
        fail("%s has sha256 %s, but bazel/debian/lock.json wants %s: do not use it; see bazel/debian/README.md" % (
            what,
            found.values()[0],
            package["sha256"],
        ))
    fail(("%s is not on the mirror any more, or it can't be reached: renew the lock with `bazel run //tools:lock_debs`, " +
          "or set DEBIAN_SNAPSHOT to the address of a snapshot archive") % what)
