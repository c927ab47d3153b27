"crane, the client of registries that rules_oci brings, as a program for our tools."

_TOOLCHAIN = "@rules_oci//oci:crane_toolchain_type"

def _crane_program_impl(ctx):
    binary = ctx.toolchains[_TOOLCHAIN].crane_info.binary
    program = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = program, target_file = binary, is_executable = True)
    return [DefaultInfo(executable = program, files = depset([program]), runfiles = ctx.runfiles([program, binary]))]

crane_program = rule(
    implementation = _crane_program_impl,
    doc = "NAME, which starts crane.",
    executable = True,
    toolchains = [_TOOLCHAIN],
)
