"typescript_bundle: one JavaScript file for Node.js, from TypeScript of this workspace and locked npm packages."

BundleInfo = provider("What a bundle is made of.", fields = {
    "lock": "package-lock.json, a file",
    "packages": "JSON list of the npm packages in it, a file",
})

def _typescript_bundle_impl(ctx):
    bundle = ctx.actions.declare_file(ctx.label.name + ".cjs")
    packages = ctx.actions.declare_file(ctx.label.name + ".packages.json")
    sources = [ctx.file.tsconfig, ctx.file.main] + ctx.files.srcs
    ctx.actions.run(
        executable = ctx.file.node,
        arguments = [ctx.file._bundle.path, bundle.path, packages.path, ctx.file.node_modules.path, ctx.attr.version] +
                    [f.path for f in sources],
        inputs = sources + [ctx.file._bundle, ctx.file.node_modules],
        mnemonic = "TypeScriptBundle",
        outputs = [bundle, packages],
        progress_message = "Compiling TypeScript %{label}",
    )
    return [DefaultInfo(files = depset([bundle])), BundleInfo(lock = ctx.file.lock, packages = packages)]

typescript_bundle = rule(
    implementation = _typescript_bundle_impl,
    doc = "NAME.cjs: checked by the TypeScript compiler, bundled by esbuild; both are packages of the lock, as is Node.js.",
    attrs = {
        "lock": attr.label(allow_single_file = True, mandatory = True, doc = "package-lock.json."),
        "main": attr.label(allow_single_file = [".ts"], mandatory = True, doc = "The module to start."),
        "node": attr.label(allow_single_file = True, mandatory = True, doc = "bin/node of the npm repository."),
        "node_modules": attr.label(allow_single_file = True, mandatory = True, doc = "node_modules of the npm repository."),
        "srcs": attr.label_list(allow_files = [".ts"], doc = "Further modules, in the same folder."),
        "tsconfig": attr.label(allow_single_file = [".json"], mandatory = True, doc = "Options of the compiler."),
        "version": attr.string(mandatory = True, doc = "Value of the constant VERSION."),
        "_bundle": attr.label(allow_single_file = True, default = "//bazel/typescript:bundle.mjs"),
    },
)
