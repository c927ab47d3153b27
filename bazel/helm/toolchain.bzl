"The Helm toolchain: a pinned Helm of each major version."

def _helm_toolchain_impl(ctx):
    return [platform_common.ToolchainInfo(helm = {"3": ctx.file.helm3, "4": ctx.file.helm4})]

helm_toolchain = rule(
    implementation = _helm_toolchain_impl,
    doc = "ToolchainInfo.helm: major version (3 or 4) to the program.",
    attrs = {
        "helm3": attr.label(allow_single_file = True, mandatory = True, cfg = "exec"),
        "helm4": attr.label(allow_single_file = True, mandatory = True, cfg = "exec"),
    },
)

TOOLCHAIN = Label("//bazel/helm:toolchain_type")

MAJOR = attr.string(default = "4", values = ["3", "4"], doc = "Which Helm: 3 or 4.")

def helm_of(ctx):
    """Returns the Helm, a File, that the attribute `helm` of a rule with the toolchain names."""
    return ctx.toolchains[TOOLCHAIN].helm[ctx.attr.helm]
