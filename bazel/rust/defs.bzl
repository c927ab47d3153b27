"rust_binary: a program of the tests, from sources of this workspace and locked crates."

_BUILD = """set -eu
root=$PWD
output=$root/$1 tools=$root/$2 crates=$root/$3; shift 3
work=$(mktemp -d "${TMPDIR:-/tmp}/rust.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "$@" "$work"
cd "$work"
export CARGO_HOME="$work/home" CARGO_PROFILE_DEV_DEBUG=0 RUSTC="$tools/rustc"
export RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$work=. --remap-path-prefix=$crates=crates"
target=$("$RUSTC" --print host-tuple)  # named, so that the flags do not apply to what runs in the compiler
"$tools/cargo" build --offline --quiet --target "$target" \
  --config 'source.crates-io.replace-with="vendor"' --config "source.vendor.directory='$crates'"
cp "target/$target/debug/driver" "$output"
"""

def _rust_binary_impl(ctx):
    binary = ctx.actions.declare_file(ctx.label.name)
    cargo = ctx.file._cargo
    ctx.actions.run_shell(
        arguments = [binary.path, cargo.dirname, ctx.file._crates.path] + [f.path for f in ctx.files.srcs],
        command = _BUILD,
        inputs = ctx.files.srcs + ctx.files._toolchain + [cargo, ctx.file._crates],
        mnemonic = "RustBuild",
        outputs = [binary],
        progress_message = "Compiling Rust %{label}",
        use_default_shell_env = True,
    )
    return [DefaultInfo(executable = binary, files = depset([binary]))]

rust_binary = rule(
    implementation = _rust_binary_impl,
    doc = "A static program for machines of the kind that builds. Its crates are the locked ones: no other version is there.",
    attrs = {
        "srcs": attr.label_list(allow_files = ["Cargo.toml", ".rs"], mandatory = True, doc = "Cargo.toml of a program `driver`, and its sources."),
        "_cargo": attr.label(allow_single_file = True, default = "@debian_rust//:cargo"),
        "_crates": attr.label(allow_single_file = True, default = "@rust_crates//:crates/vendor"),
        "_toolchain": attr.label(default = "@debian_rust//:files"),
    },
    executable = True,
)
