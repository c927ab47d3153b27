"python.toolchain: nothing to do, for this workspace registers a toolchain of its own."

def _impl(ctx):
    return ctx.extension_metadata(reproducible = True)

python = module_extension(
    implementation = _impl,
    tag_classes = {"toolchain": tag_class(attrs = {
        "is_default": attr.bool(),
        "python_version": attr.string(mandatory = True),
    })},
)
