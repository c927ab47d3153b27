"""Module extension for the packages in lock.json.

`@debian//amd64:libc6` is a package's .deb, `@debian//amd64:set.python` those of a set; `@debian_NAME//:PROGRAM` is a
program or file of a set, in place in its unpacked packages on the host.
"""

load(":repositories.bzl", "debian_hub", "debian_package", "debian_root")

_LOCK = Label("//bazel/debian:lock.json")

# Never needed in place; without them a tree has a third of the files.
_DOCS = ["usr/share/doc", "usr/share/man", "usr/share/lintian", "usr/share/locale", "usr/share/bug"]
_STDLIB = ["usr/lib/python3.11/" + name for name in ["idlelib", "lib2to3", "pydoc_data", "turtledemo"]]
_VICTORIA = ["usr/bin/" + name for name in ["vmauth", "vmbackup", "vmctl", "vmrestore"]]
_LIBRARIES = "/usr/lib/x86_64-linux-gnu/"
_PROGRAMS = {"python3": "python3.11"}

# What is run or read in place, most of it by tests alone: the sets, and beside documentation what is left out of them.
_ROOTS = {
    "docker_registry": struct(sets = ["docker_registry"], programs = ["docker-registry"], left_out = [], files = []),
    "monitoring": struct(
        sets = ["prometheus", "victoria_metrics"],
        programs = ["promtool", "vmagent", "vmalert"],
        left_out = _VICTORIA + ["usr/bin/prometheus", "usr/share/prometheus", "usr/bin/victoria-metrics"],
        files = [],
    ),
    "python": struct(sets = ["python"], programs = ["python3"], left_out = _STDLIB, files = []),
    "qemu": struct(sets = ["qemu"], programs = ["qemu-aarch64"], left_out = [], files = []),
    "redis": struct(sets = ["redis"], programs = ["redis-cli", "redis-server"], left_out = [], files = ["libstdc++.so.6"]),
    "rust": struct(sets = ["rust"], programs = ["cargo", "rustc"], left_out = [], files = []),
    "sqlite": struct(sets = ["sqlite"], programs = [], left_out = [], files = ["libsqlite3.so.0"]),
    "victoria_metrics": struct(
        sets = ["victoria_metrics"],
        programs = ["victoria-metrics"],
        left_out = _VICTORIA + ["usr/bin/vmagent", "usr/bin/vmalert"],
        files = [],
    ),
}

def _debian_impl(ctx):
    lock = json.decode(ctx.read(_LOCK))
    targets = {}
    for package in lock["packages"]:
        repository = "debian_%s_%s" % (package["architecture"], package["name"].replace("+", "p"))
        debian_package(name = repository, package = json.encode(package), snapshot = lock["snapshot"])
        targets["%s/%s" % (package["architecture"], package["name"])] = "@%s//:package.deb" % repository
    debian_hub(name = "debian", packages = targets, sets = lock["sets"])

    def entries(names):
        by_architecture = {}
        for package in lock["packages"]:
            if package["name"] in names:
                by_architecture.setdefault(package["architecture"], []).append(package)
        return json.encode(by_architecture)

    for name, root in _ROOTS.items():
        debian_root(
            name = "debian_" + name,
            files = {file: _LIBRARIES + file for file in root.files},
            left_out = _DOCS + root.left_out,
            packages = entries([package for members in root.sets for package in lock["sets"][members]]),
            programs = {program: "/usr/bin/" + _PROGRAMS.get(program, program) for program in root.programs},
            snapshot = lock["snapshot"],
        )
    return ctx.extension_metadata(reproducible = True)

debian = module_extension(implementation = _debian_impl)
