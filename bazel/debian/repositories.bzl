"Repositories of locked Debian packages: one a package, a hub over them, and sets unpacked to be run in place."

load(":fetch.bzl", "ENVIRON", "fetch_package", "watch_mirrors")

def _package_impl(ctx):
    if not ctx.os.name.lower().startswith("linux"):
        fail("images are built on Linux, with Debian's Python, and this machine is %s: build on Linux, in a virtual machine or in CI" % ctx.os.name)
    watch_mirrors(ctx)
    fetch_package(ctx, json.decode(ctx.attr.package), ctx.attr.snapshot, "package.deb")
    ctx.file("BUILD.bazel", 'exports_files(["package.deb"], visibility = ["//visibility:public"])\n')

debian_package = repository_rule(
    implementation = _package_impl,
    doc = "One package as package.deb.",
    attrs = {
        "package": attr.string(mandatory = True, doc = "The package's entry in the lock, as JSON."),
        "snapshot": attr.string(mandatory = True, doc = "The lock's time, such as 20261124T000000Z."),
    },
    environ = ENVIRON,
)

def _hub_impl(ctx):
    packages = {}
    for label, target in ctx.attr.packages.items():
        architecture, name = label.split("/")
        packages.setdefault(architecture, {})[name] = target
    for architecture, targets in packages.items():
        lines = ['package(default_visibility = ["//visibility:public"])\n']
        for name, target in sorted(targets.items()):
            lines.append('alias(name = "%s", actual = "%s")\n' % (name, target))
        for name, members in sorted(ctx.attr.sets.items()):
            lines.append('filegroup(name = "set.%s", srcs = %s)\n' % (name, [":" + m for m in members if m in targets]))
        ctx.file(architecture + "/BUILD.bazel", "".join(lines))
    ctx.file("BUILD.bazel", "")

debian_hub = repository_rule(
    implementation = _hub_impl,
    doc = "Packages as //ARCHITECTURE:NAME, and sets of them as //ARCHITECTURE:set.NAME.",
    attrs = {
        "packages": attr.string_dict(mandatory = True, doc = "ARCHITECTURE/NAME to the label of its .deb."),
        "sets": attr.string_list_dict(mandatory = True, doc = "Names of packages by set."),
    },
)

# Debian's names of an architecture and its library folder, by Bazel's name of the host's CPU.
_HOSTS = {
    "aarch64": struct(architecture = "arm64", triplet = "aarch64-linux-gnu", loader = "ld-linux-aarch64.so.1"),
    "amd64": struct(architecture = "amd64", triplet = "x86_64-linux-gnu", loader = "ld-linux-x86-64.so.2"),
    "x86_64": struct(architecture = "amd64", triplet = "x86_64-linux-gnu", loader = "ld-linux-x86-64.so.2"),
}

# A program is run by the loader and the libraries of its own tree, so that nothing of the host's is used. argv[0] is this
# script, beside the folder of the program: Python finds its standard library by it, and starts children through it.
_LAUNCHER = """#!/bin/sh
# {fingerprint}
self=$(readlink -f "$0")
root=${{self%/usr/run/*}}
exec "$root/lib/{triplet}/{loader}" --inhibit-cache --library-path "$root/lib/{triplet}:$root/usr/lib/{triplet}" --argv0 "$self" "$root{program}" "$@"
"""

_BUILD = """
package(default_visibility = ["//visibility:public"])

filegroup(
    name = "files",
    srcs = glob(["root/**"], exclude = ["**/* *", "**/__pycache__/**"]),
)
"""

_PROGRAM = """
filegroup(
    name = "{name}",
    srcs = ["root/usr/run/{name}"],
    data = [":files"],
)
"""

_FILE = """
filegroup(
    name = "{name}",
    srcs = ["root{path}"],
)
"""

def _root_impl(ctx):
    watch_mirrors(ctx)
    if not ctx.os.name.startswith("linux") or ctx.os.arch not in _HOSTS:
        # Other hosts get a repository that loads; its programs are only for the toolchains' Linux constraint.
        ctx.file("BUILD.bazel", _BUILD.replace('glob(["root/**"], exclude = ["**/* *", "**/__pycache__/**"])', "[]") + "".join([
            '\nfilegroup(name = "%s")\n' % name
            for name in ctx.attr.programs.keys() + ctx.attr.files.keys()
        ]))
        return
    host = _HOSTS[ctx.os.arch]
    packages = json.decode(ctx.attr.packages)[host.architecture]
    for package in packages:
        fetch_package(ctx, package, ctx.attr.snapshot, "package.deb")
        ctx.extract("package.deb", output = "deb")
        data = [f for f in ctx.path("deb").readdir() if f.basename.startswith("data.tar")]
        if not data:
            fail("Debian package %s holds no data.tar" % package["name"])
        ctx.extract(data[0], output = "root")
        ctx.delete("deb")
        ctx.delete("package.deb")
    for path in ctx.attr.left_out:
        ctx.delete("root/" + path)
    for name, program in ctx.attr.programs.items():
        ctx.file("root/usr/run/" + name, _LAUNCHER.format(
            fingerprint = " ".join([p["sha256"][:8] for p in packages]),
            loader = host.loader,
            program = program,
            triplet = host.triplet,
        ))
    ctx.file("BUILD.bazel", _BUILD + "".join(
        [_PROGRAM.format(name = name) for name in ctx.attr.programs] +
        [_FILE.format(name = name, path = path) for name, path in ctx.attr.files.items()],
    ))

debian_root = repository_rule(
    implementation = _root_impl,
    doc = "A set of packages for the host's architecture, unpacked into root/, and its programs, ready to be run in place.",
    attrs = {
        "files": attr.string_dict(doc = "Name of a file's target to its path in the tree."),
        "left_out": attr.string_list(doc = "Paths to delete after unpacking."),
        "packages": attr.string(mandatory = True, doc = "The set's entries in the lock by architecture, as JSON."),
        "programs": attr.string_dict(mandatory = True, doc = "Name of the launcher to the program's path in the tree."),
        "snapshot": attr.string(mandatory = True, doc = "The lock's time, such as 20261124T000000Z."),
    },
    environ = ENVIRON,
)
