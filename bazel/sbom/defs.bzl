"image_sbom: what an image holds, as SPDX 2.3 and CycloneDX 1.6 documents."

load("//bazel/go:defs.bzl", "GoModulesInfo")
load("//bazel/image:layers.bzl", "LayerInfo")
load("//bazel/typescript:defs.bzl", "BundleInfo")

def _image_sbom_impl(ctx):
    debs = depset(transitive = [layer[LayerInfo].debs for layer in ctx.attr.layers]).to_list()
    wheels = depset(transitive = [layer[LayerInfo].wheels for layer in ctx.attr.layers]).to_list()
    go = [ctx.attr.program[GoModulesInfo].modules] if ctx.attr.program else []
    npm = [ctx.attr.bundle[BundleInfo].lock, ctx.attr.bundle[BundleInfo].packages] if ctx.attr.bundle else []
    spec = ctx.actions.declare_file(ctx.label.name + ".spec.json")
    spdx = ctx.outputs.spdx
    cyclonedx = ctx.outputs.cyclonedx
    ctx.actions.write(spec, json.encode_indent({
        "architecture": ctx.attr.architecture,
        "debian_lock": ctx.file._debian_lock.path,
        "debs": [f.path for f in debs],
        "digest": ctx.file.digest.path,
        "go_modules": go[0].path if go else "",
        "layers": [f.path for f in ctx.files.layers],
        "node": ctx.attr.node,
        "npm_lock": npm[0].path if npm else "",
        "npm_packages": npm[1].path if npm else "",
        "repository": ctx.attr.repository,
        "version": ctx.attr.version,
        "wheel_lock": ctx.file.wheel_lock.path if ctx.file.wheel_lock else "",
        "wheels": [f.path for f in wheels],
    }))
    ctx.actions.run(
        executable = ctx.executable._sbom,
        arguments = [spec.path, spdx.path, cyclonedx.path],
        env = {"PYTHONHASHSEED": "0"},
        inputs = [spec, ctx.file.digest, ctx.file._debian_lock] + ctx.files.wheel_lock + ctx.files.layers + debs + wheels + go + npm,
        mnemonic = "ImageSbom",
        outputs = [spdx, cyclonedx],
        progress_message = "Writing SBOM %{label}",
    )
    return [DefaultInfo(files = depset([spdx, cyclonedx]))]

image_sbom = rule(
    implementation = _image_sbom_impl,
    doc = "NAME.spdx.json and NAME.cdx.json: the packages of an image's layers, as the locks have them.",
    attrs = {
        "architecture": attr.string(mandatory = True, values = ["amd64", "arm64"]),
        "bundle": attr.label(providers = [BundleInfo], doc = "The program, where it is in TypeScript."),
        "digest": attr.label(allow_single_file = True, mandatory = True, doc = "File with the digest of the image."),
        "layers": attr.label_list(mandatory = True, providers = [LayerInfo]),
        "node": attr.string(doc = "Name of the npm package whose Node.js runs the bundle."),
        "program": attr.label(providers = [GoModulesInfo], doc = "The program, where it is in Go."),
        "repository": attr.string(mandatory = True, doc = "Name of the image, such as mcp/redis."),
        "version": attr.string(mandatory = True),
        "wheel_lock": attr.label(allow_single_file = True, doc = "requirements.txt with the wheels' hashes, where there are wheels."),
        "_debian_lock": attr.label(allow_single_file = True, default = "//bazel/debian:lock.json"),
        "_sbom": attr.label(default = "//bazel/sbom", executable = True, cfg = "exec"),
    },
    outputs = {
        "cyclonedx": "%{name}.cdx.json",
        "spdx": "%{name}.spdx.json",
    },
)
