"Wheels of this workspace, for machines without containers: `uvx`, `pipx`, `pip`."

load("@rules_python//python:packaging.bzl", "py_wheel")
load("//bazel:version.bzl", "VERSION")

_HOME = "https://github.com/dox-asdlc/mcp-sidecars"

def mcp_wheel(name, distribution, summary, libraries, wheels, description_file, ours = [], scripts = {}):
    """A wheel with the sources of some libraries, as NAME; what it requires, a line each, is NAME_requires.

    Each of our packages is in one wheel only: what servers share is in the wheel dox-asdlc-mcp-common. So two servers can
    be installed side by side, and upgraded and removed each for itself, without a file that belongs to both.

    Args:
        name: of the target
        distribution: the wheel's name in an index
        summary: one line
        libraries: py_library targets whose own sources come in; not those that they depend on
        wheels: names of the locked wheels that the sources import
        description_file: Markdown, for an index's page
        ours: distributions of ours that it requires, in the same version
        scripts: program to MODULE:FUNCTION
    """
    native.genrule(
        name = name + "_requires",
        srcs = ["//bazel/python:requirements_linux.txt"],
        outs = [name + "_requires.txt"],
        cmd = " ".join([
            "$(execpath //bazel/python:requires)",
            "--lock $(execpath //bazel/python:requirements_linux.txt)",
            "--output $@",
        ] + ["--also %s==%s" % (one, VERSION) for one in ours] + wheels),
        tools = ["//bazel/python:requires"],
        visibility = ["//visibility:public"],
    )
    py_wheel(
        name = name,
        author = "The dox-asdlc authors",
        classifiers = [
            "Environment :: Console",
            "Intended Audience :: Developers",
            "Intended Audience :: System Administrators",
            "License :: OSI Approved :: Apache Software License",
            "Operating System :: OS Independent",
        ] + ["Programming Language :: Python :: " + version for version in ["3", "3 :: Only", "3.11", "3.12", "3.13", "3.14"]] + [
            "Topic :: Database :: Front-Ends",
        ],
        description_file = description_file,
        distribution = distribution,
        entry_points = {"console_scripts": ["%s = %s" % script for script in sorted(scripts.items())]} if scripts else {},
        extra_distinfo_files = {"//:LICENSE": "licenses/LICENSE"},
        # An SPDX expression: py_wheel writes core metadata 2.1, which has no License-Expression yet (rules_python's issue 4042).
        license = "Apache-2.0",
        project_urls = {
            "Changelog": _HOME + "/blob/main/CHANGELOG.md",
            "Documentation": _HOME + "/tree/main/docs",
            "Source": _HOME,
        },
        python_requires = ">=3.11",
        requires_file = ":%s_requires" % name,
        summary = summary,
        version = VERSION,
        visibility = ["//visibility:public"],
        deps = libraries,
    )
