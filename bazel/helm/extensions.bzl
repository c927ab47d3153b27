"Module extension for Helm: `@helm3//:helm` and `@helm4//:helm`, from lock.json."

load(":repository.bzl", "helm_repository")

def _helm_impl(ctx):
    for major in ("3", "4"):
        helm_repository(name = "helm" + major, lock = "//bazel/helm:lock.json", major = major)
    return ctx.extension_metadata(reproducible = True)

helm = module_extension(implementation = _helm_impl)
