"site: the documentation as a folder of HTML pages."

def _site_impl(ctx):
    folder = ctx.actions.declare_directory(ctx.label.name)
    args = ctx.actions.args()
    args.add("--config", ctx.file.config)
    args.add("--output", folder.path)
    args.add_all(ctx.files.srcs)
    ctx.actions.run(
        executable = ctx.executable._builder,
        arguments = [args],
        inputs = ctx.files.srcs + [ctx.file.config],
        mnemonic = "Site",
        outputs = [folder],
        progress_message = "Building the site %{label}",
    )
    return [DefaultInfo(files = depset([folder]), runfiles = ctx.runfiles([folder]))]

site = rule(
    implementation = _site_impl,
    doc = "A folder of HTML pages that need nothing from elsewhere; a broken link fails the build.",
    attrs = {
        "config": attr.label(allow_single_file = [".toml"], mandatory = True, doc = "zensical.toml"),
        "srcs": attr.label_list(allow_files = [".json", ".md", ".svg"], mandatory = True, doc = "README.md and what is in docs/."),
        "_builder": attr.label(default = "//docs:build_site", executable = True, cfg = "exec"),
    },
)
