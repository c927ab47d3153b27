"The attributes that both this stand-in and upstream take."

_COMMON = ["compatible_with", "data", "deprecation", "deps", "features", "imports", "srcs", "srcs_version", "tags", "target_compatible_with", "testonly", "toolchains", "visibility"]
_EXECUTABLE = _COMMON + ["args", "env", "legacy_create_init", "main", "python_version", "stamp"]

_ATTRIBUTES = {
    "py_binary": _EXECUTABLE,
    "py_library": _COMMON,
    "py_test": _EXECUTABLE + ["env_inherit", "flaky", "local", "shard_count", "size", "timeout"],
    "py_wheel": ["author", "classifiers", "compatible_with", "deps", "deprecation", "description_file", "distribution", "entry_points", "extra_distinfo_files", "license", "project_urls", "python_requires", "requires_file", "summary", "tags", "target_compatible_with", "testonly", "version", "visibility"],
}

def checked(rule, kwargs):
    """Refuses what the stand-in does not do, with the reason.

    Args:
        rule: name of the rule
        kwargs: its attributes

    Returns:
        kwargs
    """
    for name in kwargs:
        if name not in _ATTRIBUTES[rule]:
            fail(("rules_python stand-in: %s has no attribute '%s' in the air-gapped way; leave it out, or add it to " +
                  "bazel/airgap/stubs/rules_python if Bazel's own rule has it") % (rule, name))
    return kwargs
