"mcp_server: everything that is built of a server in Python."

load("@rules_python//python:py_library.bzl", "py_library")
load("//bazel:programs.bzl", "py_program")
load("//bazel/image:defs.bzl", "mcp_image")
load("//bazel/python:wheel.bzl", "mcp_wheel")

def mcp_server(name, title, description, summary, requires, layer = []):
    """A server of servers/NAME: `:lib`, `:server`, a program, the targets of mcp_image for `:image`, and `:wheel`.

    Args:
        name: of its folder, such as redis
        title: of the image, an OCI label
        description: of the image, an OCI label
        summary: of the wheel, one line
        requires: names of the locked wheels that its sources import
        layer: those of them that not all images have: COMMON_WHEELS of //bazel/image:defs.bzl
    """
    native.exports_files(["README.md"])
    py_library(
        name = "lib",
        srcs = native.glob(["**/*.py"]),
        visibility = ["//visibility:public"],
        deps = ["//servers/common"] + ["@pypi//" + wheel for wheel in requires],
    )
    py_program(
        name = "server",
        main = "__main__.py",
        visibility = ["//visibility:public"],
        deps = [":lib"],
    )
    mcp_image(
        name = "image",
        description = description,
        library = ":lib",
        module = "servers." + name,
        repository = "mcp/" + name,
        title = title,
        wheels = layer,
    )
    mcp_wheel(
        name = "wheel",
        description_file = "README.md",
        distribution = "dox-asdlc-mcp-" + name,
        libraries = [":lib"],
        ours = ["dox-asdlc-mcp-common"],
        scripts = {program + name: "servers.%s.__main__:stdio" % name for program in ["dox-asdlc-mcp-", "mcp-"]},
        summary = summary,
        wheels = requires,
    )
