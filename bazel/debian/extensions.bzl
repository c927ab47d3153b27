"""Module extension for the packages in lock.json.

`@debian//amd64:libc6` is a package's .deb, `@debian//amd64:set.python` those of a set; `@debian_NAME//:PROGRAM` is a
program or file of a set, in place in its unpacked packages on the host.
"""

load(":repositories.bzl", "debian_hub", "debian_package", "debian_root")

_LOCK = Label("//bazel/debian:lock.json")

# Never needed in place; without them a tree has a third of the files.
_DOCS = ["usr/share/doc", "usr/share/man", "usr/share/lintian", "usr/share/locale", "usr/share/bug"]
_STDLIB = "usr/lib/python3.11/"

# Programs that only tests run, by the set that has them.
_TEST_PROGRAMS = {
    "docker_registry": {"docker-registry": "/usr/bin/docker-registry"},
    "qemu": {"qemu-aarch64": "/usr/bin/qemu-aarch64"},
    "rust": {"cargo": "/usr/bin/cargo", "rustc": "/usr/bin/rustc"},
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

    debian_root(
        name = "debian_python",
        left_out = _DOCS + [_STDLIB + name for name in ["idlelib", "lib2to3", "pydoc_data", "turtledemo"]],
        packages = entries(lock["sets"]["python"]),
        programs = {"python3": "/usr/bin/python3.11"},
        snapshot = lock["snapshot"],
    )
    debian_root(
        name = "debian_redis",
        files = {"libstdc++.so.6": "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"},
        left_out = _DOCS,
        packages = entries(lock["sets"]["redis"]),
        programs = {"redis-cli": "/usr/bin/redis-cli", "redis-server": "/usr/bin/redis-server"},
        snapshot = lock["snapshot"],
    )
    debian_root(
        name = "debian_sqlite",
        files = {"libsqlite3.so.0": "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0"},
        left_out = _DOCS,
        packages = entries(lock["sets"]["sqlite"]),
        programs = {},
        snapshot = lock["snapshot"],
    )
    debian_root(
        name = "debian_monitoring",
        left_out = _DOCS + ["usr/bin/prometheus", "usr/share/prometheus"] +
                   ["usr/bin/" + name for name in ["victoria-metrics", "vmauth", "vmbackup", "vmctl", "vmrestore"]],
        packages = entries(lock["sets"]["prometheus"] + lock["sets"]["victoria_metrics"]),
        programs = {"promtool": "/usr/bin/promtool", "vmagent": "/usr/bin/vmagent", "vmalert": "/usr/bin/vmalert"},
        snapshot = lock["snapshot"],
    )
    for name, programs in _TEST_PROGRAMS.items():
        debian_root(
            name = "debian_" + name,
            left_out = _DOCS,
            packages = entries(lock["sets"][name]),
            programs = programs,
            snapshot = lock["snapshot"],
        )
    debian_root(
        name = "debian_victoria_metrics",
        left_out = _DOCS + ["usr/bin/" + name for name in ["vmagent", "vmalert", "vmauth", "vmbackup", "vmctl", "vmrestore"]],
        packages = entries(lock["sets"]["victoria_metrics"]),
        programs = {"victoria-metrics": "/usr/bin/victoria-metrics"},
        snapshot = lock["snapshot"],
    )
    return ctx.extension_metadata(reproducible = True)

debian = module_extension(implementation = _debian_impl)
