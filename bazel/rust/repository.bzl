"The locked crates, fetched by cargo from wherever this machine's configuration says."

load("//bazel:host.bzl", "host_program")

_BUILD = """package(default_visibility = ["//visibility:public"])

# A folder, as a source of the kind "directory".
exports_files(["crates/vendor"])
"""

_MANIFEST = """[package]
name = "crates"
version = "0.0.0"
edition = "2024"

[[bin]]
name = "crates"
path = "main.rs"

[dependencies]
"""

def _value(block, key):
    return block.partition('\n%s = "' % key)[2].partition('"')[0]

def _crates_repository_impl(ctx):
    lock = json.decode(ctx.read(ctx.attr.lock))
    cargo = ctx.path(ctx.attr.cargo)
    host_program(ctx, "cc", "Rust", "gcc libc6-dev")

    # A program that needs each of them at its version, and is never built.
    ctx.file("crates/Cargo.toml", _MANIFEST + "".join([
        'crate%d = { package = "%s", version = "=%s", default-features = false }\n' % (number, crate["name"], crate["version"].partition("+")[0])
        for number, crate in enumerate(lock)
    ]))
    ctx.file("crates/main.rs", "")
    ctx.report_progress("cargo fetches %d crates" % len(lock))
    result = ctx.execute(
        [cargo, "vendor", "--quiet", "--versioned-dirs"],
        environment = {"RUSTC": str(cargo.dirname.get_child("rustc"))},
        timeout = 1800,
        working_directory = "crates",
    )
    if result.return_code:
        fail("the crates of bazel/rust/lock.json: cargo can't fetch them: %s" % result.stderr.strip()[-600:])
    found = {}
    for block in ctx.read("crates/Cargo.lock").split("[[package]]")[1:]:
        found[_value(block, "name"), _value(block, "version")] = _value(block, "checksum")
    for crate in lock:
        sha256 = found.pop((crate["name"], crate["version"]), "none")
        if sha256 != crate["sha256"]:
            fail("the crate %s %s has sha256 %s, but bazel/rust/lock.json wants %s: do not use it; look at the registry first" % (
                crate["name"],
                crate["version"],
                sha256,
                crate["sha256"],
            ))
    found.pop(("crates", "0.0.0"))
    if found:
        fail("bazel/rust/lock.json lacks %s: run `bazel run //tools:lock_crates`" % ", ".join([" ".join(crate) for crate in found]))
    ctx.file("BUILD.bazel", _BUILD)

crates_repository = repository_rule(
    implementation = _crates_repository_impl,
    doc = "`:crates/vendor` is a folder with the crates of a lock.",
    attrs = {
        "cargo": attr.label(mandatory = True, doc = "The program."),
        "lock": attr.label(mandatory = True, doc = "A list of crates: name, version, sha256."),
    },
)
