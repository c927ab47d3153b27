"""pip.parse: a hub of locked wheels, `@HUB//NAME` (py_library), `@HUB//NAME:whl`, `:data` and `:dist_info` as upstream has them.

The whole hub is one repository: the machine's pip downloads the lock in one go and checks its hashes.
"""

_WHEELS_PY = Label("//python/private:wheels.py")

# What a hub without platforms of its own is for: the machine that builds.
_HOST_ARGS = ["--only-binary=:all:", "--implementation=cp", "--abi=cp{abi}", "--abi=abi3", "--abi=none", "--python-version={version}"]
_HOST_TAGS = ["manylinux_2_%d" % glibc for glibc in (36, 35, 34, 31, 28, 27, 26, 24, 17, 12, 5)] + ["manylinux2014", "manylinux2010", "manylinux1", "linux"]

_BUILD = """
package(default_visibility = ["//visibility:public"])

py_library(
    name = "{name}",
    srcs = glob(["site-packages/**/*.py"], allow_empty = True),
    data = [":data"] + glob(["site-packages/**/*"], exclude = ["**/*.py", "**/*.pyc"], allow_empty = True),
    imports = ["site-packages"],
    deps = {deps},
)

alias(name = "pkg", actual = "{name}")

filegroup(name = "whl", srcs = ["{whl}"], data = {whl_deps})

filegroup(name = "dist_info", srcs = glob(["site-packages/*.dist-info/**"]))

filegroup(name = "data", srcs = glob(["bin/**", "data/**", "include/**"], allow_empty = True))
"""

def _hub_impl(ctx):
    lock = ctx.path(ctx.attr.requirements_lock)
    version = ctx.attr.python_version
    args = ctx.attr.extra_pip_args
    if not [a for a in args if a.startswith("--platform")]:
        cpu = {"amd64": "x86_64"}.get(ctx.os.arch, ctx.os.arch)
        args = args + [a.format(abi = version.replace(".", ""), version = version) for a in _HOST_ARGS]
        args = args + ["--platform=%s_%s" % (tag, cpu) for tag in _HOST_TAGS]
    result = ctx.execute(["python3", ctx.path(_WHEELS_PY), lock, version] + args, timeout = 1800)
    if result.return_code:
        fail("%s: %s" % (ctx.name.split("~")[-1], result.stderr.strip().split("\n")[-1]))
    for name, wheel in json.decode(result.stdout).items():
        ctx.file(name + "/BUILD.bazel", _BUILD.format(name = name, whl = wheel["whl"], deps = ["//" + d for d in wheel["deps"]], whl_deps = ["//%s:whl" % d for d in wheel["deps"]]))
    ctx.file("BUILD.bazel", "")

_hub = repository_rule(
    implementation = _hub_impl,
    attrs = {
        "extra_pip_args": attr.string_list(),
        "python_version": attr.string(mandatory = True),
        "requirements_lock": attr.label(mandatory = True),
    },
)

def _pip_impl(ctx):
    for module in ctx.modules:
        for tag in module.tags.parse:
            if not tag.enable_implicit_namespace_pkgs:
                fail("rules_python stand-in: the hub %s needs enable_implicit_namespace_pkgs = True: wheels stay as they are here" % tag.hub_name)
            _hub(
                name = tag.hub_name,
                extra_pip_args = tag.extra_pip_args,
                python_version = tag.python_version,
                requirements_lock = tag.requirements_lock,
            )
    return ctx.extension_metadata(reproducible = True)

pip = module_extension(
    implementation = _pip_impl,
    tag_classes = {"parse": tag_class(attrs = {
        "download_only": attr.bool(doc = "Wheels are always downloaded, never built."),
        "enable_implicit_namespace_pkgs": attr.bool(doc = "True only: no file is added to a namespace package."),
        "envsubst": attr.string_list(doc = "For upstream; pip reads its variables itself."),
        "experimental_index_url": attr.string(doc = "For upstream; pip has the machine's own settings."),
        "extra_pip_args": attr.string_list(),
        "hub_name": attr.string(mandatory = True),
        "isolated": attr.bool(doc = "For upstream; pip has the machine's own settings."),
        "python_version": attr.string(mandatory = True),
        "requirements_lock": attr.label(mandatory = True),
        "target_platforms": attr.string_list(doc = "For upstream; here the --platform arguments say it."),
    })},
)
