"mcp_image: the one macro behind //servers/*:image, :load, :tar and :push."

load("@rules_oci//oci:defs.bzl", "oci_image", "oci_image_index", "oci_load", "oci_push")
load("//bazel:programs.bzl", "py_program")
load("//bazel:version.bzl", "VERSION")
load("//bazel/sbom:defs.bzl", "image_sbom")
load(":layers.bzl", "image_layer")
load(":left_out.bzl", "READERS", "WHEELS")

ARCHITECTURES = ["amd64", "arm64"]

# Wheels of every image: redis is in that for Elasticsearch too, so that both have all layers but the last in common.
COMMON_WHEELS = ["hiredis", "httptools", "mcp", "orjson", "prometheus_client", "redis", "starlette", "uvicorn"] + [
    "opentelemetry_exporter_otlp_json_http",
    "opentelemetry_sdk",
]

# glibc (mallopt(3)): up to 4 MiB that were freed stay for the next answer. By default those of a megabyte go back to the kernel,
# to be got again page by page, which costs more than what is done with them; see docs/benchmarks. What is longer than that goes
# back: between smaller things it would keep the process large.
_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(4 * 1024 * 1024),
}

def mcp_image(name, module, library, wheels, repository, title, description, ports = ["9000/tcp"], visibility = ["//visibility:public"]):
    """An OCI image of a server, for amd64 and arm64, that runs `python -m MODULE` as UID 1000.

    Targets: NAME (OCI layout for the target platform), NAME_amd64, NAME_arm64, index (both), load (into docker, podman or
    minikube), tar (an archive for `docker load` and `ctr import`), push, sign (by cosign), sbom_amd64,
    sbom_arm64 (what the images hold). The layers base, python and wheels are shared by all servers.

    Args:
        name: of the image target
        module: Python module to run
        library: py_library with the server's sources
        wheels: names of the wheels that only this server needs; none is fine
        repository: tagged as REPOSITORY:latest when loaded
        title: OCI label
        description: OCI label
        ports: exposed
        visibility: of the targets
    """
    layers = {}
    for architecture in ARCHITECTURES:
        if wheels:
            image_layer(
                name = "%s_client_%s" % (name, architecture),
                below = ["//bazel/image:wheels_" + architecture],
                bytecode = "instead",
                left_out = WHEELS,
                readers = READERS,
                tags = ["manual"],
                wheels = ["@pypi_linux_%s//%s:whl" % (architecture, wheel) for wheel in wheels],
            )
        layers[architecture] = [
            "//bazel/image:base_" + architecture,
            "//bazel/image:python_" + architecture,
            "//bazel/image:wheels_" + architecture,
        ] + ([":%s_client_%s" % (name, architecture)] if wheels else []) + [
            ":%s_code" % name,
        ]
    image_layer(
        name = name + "_code",
        bytecode = "beside",
        libraries = [library],
        tags = ["manual"],
    )
    server_image(
        name = name,
        description = description,
        entrypoint = ["/usr/bin/python3.11", "-P", "-m", module],
        env = _MEMORY | {"PATH": "/usr/bin"},
        layers = layers,
        ports = ports,
        repository = repository,
        sbom = {architecture: {"wheel_lock": "//bazel/python:requirements_linux.txt"} for architecture in ARCHITECTURES},
        title = title,
        visibility = visibility,
    )

def server_image(name, entrypoint, layers, repository, sbom, title, description, env = {}, ports = ["9000/tcp"], visibility = ["//visibility:public"]):
    """An OCI image of a server in any language, for amd64 and arm64, that runs as UID 1000.

    Targets: those of mcp_image.

    Args:
        name: of the image target
        entrypoint: program in the image, and its arguments
        layers: architecture to its layers, the lowest first
        repository: tagged as REPOSITORY:latest when loaded
        sbom: architecture to further attributes of its image_sbom
        title: OCI label
        description: OCI label
        env: variables beside those of every server
        ports: exposed
        visibility: of the targets
    """
    for architecture in ARCHITECTURES:
        oci_image(
            name = "%s_%s" % (name, architecture),
            architecture = architecture,
            entrypoint = entrypoint,
            env = dict(sorted(({
                "LANG": "C.UTF-8",
                "MCP_PORT": "9000",
                "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
            } | env).items())),
            exposed_ports = ports,
            labels = {
                "org.opencontainers.image.description": description,
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.source": "https://github.com/dox-asdlc/mcp-sidecars",
                "org.opencontainers.image.title": title,
                "org.opencontainers.image.version": VERSION,
            },
            os = "linux",
            tars = layers[architecture],
            user = "1000:1000",
            visibility = visibility,
        )
        image_sbom(
            name = "sbom_" + architecture,
            architecture = architecture,
            digest = ":%s_%s.digest" % (name, architecture),
            layers = layers[architecture],
            repository = repository,
            version = VERSION,
            visibility = visibility,
            **sbom[architecture]
        )
    native.alias(
        name = name,
        actual = select({
            "@platforms//cpu:aarch64": ":%s_arm64" % name,
            "//conditions:default": ":%s_amd64" % name,
        }),
        visibility = visibility,
    )
    oci_image_index(
        name = "index",
        images = [":%s_%s" % (name, architecture) for architecture in ARCHITECTURES],
        visibility = visibility,
    )
    oci_load(
        name = "load",
        image = ":" + name,
        loader = "//bazel/image:loader",
        repo_tags = [repository + ":latest"],
        visibility = visibility,
    )
    native.filegroup(
        name = "tar",
        srcs = [":load"],
        output_group = "tarball",
        visibility = visibility,
    )
    oci_push(
        name = "push",
        image = ":index",
        remote_tags = [VERSION, "latest"],
        visibility = visibility,
    )
    py_program(
        name = "sign",
        main = "//tools/release:sign.py",
        programs = {"INDEX": ":index"},
        visibility = visibility,
        deps = ["//tools/release:lib"],
    )
