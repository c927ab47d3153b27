"Module extension for Rust: the crates of the tests' client."

load(":repository.bzl", "crates_repository")

def _rust_impl(ctx):
    crates_repository(
        name = "rust_crates",
        cargo = Label("@debian_rust//:root/usr/run/cargo"),
        lock = Label("//bazel/rust:lock.json"),
    )
    return ctx.extension_metadata(reproducible = True)

rust = module_extension(implementation = _rust_impl)
