"py_wheel, with upstream's attributes as far as this workspace uses them; wheel.py writes it with upstream's bytes. No NAME.dist, no NAME.publish."

def _short_path(file):
    if file.short_path.startswith("../"):
        fail("rules_python stand-in: py_wheel packs files of its own workspace only, not %s" % file.short_path)
    return "%s;%s" % (file.short_path, file.path)

def _metadata(ctx):
    """Upstream's lines, in upstream's order."""
    lines = [
        "Metadata-Version: 2.1",
        "Name: " + ctx.attr.distribution,
        "Author: " + ctx.attr.author,
        "License: " + ctx.attr.license,
        "Description-Content-Type: text/markdown",
        "Summary: " + ctx.attr.summary,
    ]
    lines += ["Project-URL: %s, %s" % (name, url) for name, url in sorted(ctx.attr.project_urls.items())]
    lines += ["Classifier: " + classifier for classifier in ctx.attr.classifiers]
    return lines + ["Requires-Python: " + ctx.attr.python_requires]

def _py_wheel_impl(ctx):
    name = ctx.attr.distribution.lower().replace("-", "_").replace(".", "_")
    wheel = ctx.actions.declare_file("%s-%s-py3-none-any.whl" % (name, ctx.attr.version))
    spec = ctx.actions.declare_file(ctx.label.name + ".wheel.json")
    distinfo = {}
    for target, path in ctx.attr.extra_distinfo_files.items():
        (file,) = target[DefaultInfo].files.to_list()
        distinfo[path] = file
    scripts = [group + "\n" + "\n".join(sorted(entries)) for group, entries in sorted([
        ("[%s]" % group, entries)
        for group, entries in ctx.attr.entry_points.items()
    ])]
    ctx.actions.write(spec, json.encode({
        "description": ctx.file.description_file.path,
        "distinfo": {path: file.path for path, file in distinfo.items()},
        "entry_points": "\n\n".join(scripts) if scripts else None,
        "files": dict([_short_path(file).split(";") for file in ctx.files.deps]),
        "metadata": _metadata(ctx),
        "name": name,
        "requires_file": ctx.file.requires_file.path,
        "version": ctx.attr.version,
    }))
    ctx.actions.run(
        executable = ctx.executable._wheel,
        arguments = [spec.path, wheel.path],
        inputs = [spec, ctx.file.description_file, ctx.file.requires_file] + ctx.files.deps + distinfo.values(),
        mnemonic = "PyWheel",
        outputs = [wheel],
        progress_message = "Building wheel %{label}",
    )
    return [DefaultInfo(files = depset([wheel]), runfiles = ctx.runfiles([wheel]))]

py_wheel = rule(
    implementation = _py_wheel_impl,
    attrs = {
        "author": attr.string(mandatory = True),
        "classifiers": attr.string_list(),
        "deps": attr.label_list(),
        "description_file": attr.label(allow_single_file = [".md"], mandatory = True),
        "distribution": attr.string(mandatory = True),
        "entry_points": attr.string_list_dict(),
        "extra_distinfo_files": attr.label_keyed_string_dict(allow_files = True),
        "license": attr.string(mandatory = True),
        "project_urls": attr.string_dict(),
        "python_requires": attr.string(mandatory = True),
        "requires_file": attr.label(allow_single_file = True, mandatory = True),
        "summary": attr.string(mandatory = True),
        "version": attr.string(mandatory = True),
        "_wheel": attr.label(default = "//python/private:wheel", executable = True, cfg = "exec"),
    },
)
