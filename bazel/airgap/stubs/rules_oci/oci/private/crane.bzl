"The toolchain of crane, as upstream's: ToolchainInfo.crane_info.binary."

def _crane_impl(ctx):
    return [platform_common.ToolchainInfo(
        crane_info = struct(binary = ctx.file.binary, version = "0"),
        default = DefaultInfo(files = depset([ctx.file.binary]), runfiles = ctx.runfiles([ctx.file.binary])),
    )]

crane = rule(
    implementation = _crane_impl,
    attrs = {"binary": attr.label(allow_single_file = True, mandatory = True)},
)
