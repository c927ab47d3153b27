"go_binary: a static program for Linux, from sources of this workspace or of locked modules."

_BUILD = """set -eu
root=$PWD
output=$root/$1 held=$root/$2 goroot=$root/$3 modules=$root/$4 version=$5 package=$6; shift 6
work=$(mktemp -d "${TMPDIR:-/tmp}/go.XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
mkdir "$work/source"
for file; do cp "$file" "$work/source/"; done
cd "$work/source"
export HOME="$work" GOROOT="$goroot" GOCACHE="$work/cache" GOMODCACHE="$work/modules" GOPROXY="file://$modules"
export GOENV=off GOFLAGS=-mod=readonly GOSUMDB=off GOTELEMETRY=off GOTOOLCHAIN=local GOWORK=off
"$goroot/bin/go" build -trimpath -buildvcs=false -ldflags="-s -w -buildid= -X main.version=$version" -o "$output" "$package"
cd "${output%/*}"
"$goroot/bin/go" version -m "${output##*/}" > "$held"
"""

GoModulesInfo = provider("What a program in Go is made of.", fields = {"modules": "what `go version -m` says, a file"})

def _go_binary_impl(ctx):
    binary = ctx.actions.declare_file(ctx.label.name)
    modules = ctx.actions.declare_file(ctx.label.name + ".modules.txt")
    ctx.actions.run_shell(
        command = _BUILD,
        arguments = [binary.path, modules.path, ctx.file._go.path, ctx.file._modules.path, ctx.attr.version, ctx.attr.package] + [f.path for f in ctx.files.srcs],
        env = {"CGO_ENABLED": "0", "GOARCH": ctx.attr.architecture, "GOOS": "linux"},
        inputs = ctx.files.srcs + [ctx.file._go, ctx.file._modules],
        mnemonic = "GoBuild",
        outputs = [binary, modules],
        progress_message = "Compiling Go %{label}",
    )
    return [DefaultInfo(files = depset([binary]), executable = binary), GoModulesInfo(modules = modules)]

go_binary = rule(
    implementation = _go_binary_impl,
    doc = """A program of one main package.

Its bytes depend on the sources, the modules and the toolchain alone: no paths, times or C compiler of the machine's.""",
    attrs = {
        "architecture": attr.string(mandatory = True, values = ["amd64", "arm64"], doc = "GOARCH"),
        "package": attr.string(default = ".", doc = "The main package: that of the sources, or one of the locked modules."),
        "srcs": attr.label_list(allow_files = [".go", "go.mod", "go.sum"], mandatory = True, doc = "Sources, go.mod and go.sum."),
        "version": attr.string(mandatory = True, doc = "Value of main.version."),
        "_go": attr.label(allow_single_file = True, default = "@go//:go"),
        "_modules": attr.label(allow_single_file = True, default = "@go//:modules"),
    },
    executable = True,
)
