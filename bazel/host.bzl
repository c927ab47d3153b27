"Programs of this machine that repository rules start."

def host_program(ctx, name, what, package):
    """Finds a program on PATH, before anything is fetched.

    Args:
        ctx: repository_ctx
        name: of the program
        what: for the error: what needs it
        package: for the error: the Debian package that has it

    Returns:
        its path; the build ends with one line where it is missing.
    """
    found = ctx.which(name)
    if not found:
        fail("%s: %s is not on this machine's PATH: install it (Debian, Ubuntu: apt-get install %s)" % (what, name, package))
    return found
