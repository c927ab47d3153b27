"A locked wheel for a repository rule, fetched through this machine's own pip."

load("//bazel:host.bzl", "host_program")

def download_wheel(ctx, requirements, what):
    """Downloads the one wheel of a lock and unpacks it into the folder wheel/ of the repository.

    pip has the machine's own settings of where its index is, and refuses a wheel of another hash.

    Args:
        ctx: repository_ctx
        requirements: path of the requirements.txt, with hashes
        what: for the error: what is being fetched, and where it is locked
    """
    python = host_program(ctx, "python3", what, "python3-pip")
    if ctx.execute([python, "-m", "pip", "--version"]).return_code:
        fail("%s: %s has no pip: install it (Debian, Ubuntu: apt-get install python3-pip; elsewhere: python3 -m ensurepip)" % (what, python))
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes", "--dest=download"]
    result = ctx.execute([python, "-m", "pip", "download", "--requirement=%s" % requirements] + options, timeout = 1800)
    if result.return_code:
        lines = [line.strip() for line in result.stderr.split("\n") if "ERROR" in line or "Got " in line]
        fail("%s: pip can't download the wheel: %s" % (what, " ".join(lines)[-600:] or "no reason given"))
    ctx.symlink(ctx.path("download").readdir()[0], "wheel.zip")
    ctx.extract("wheel.zip", "wheel")
    for name in ("download", "wheel.zip"):
        ctx.delete(name)
