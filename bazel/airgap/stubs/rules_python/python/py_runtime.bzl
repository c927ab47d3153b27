"py_runtime of Bazel itself, with a bootstrap that needs no Python on the host."

def py_runtime(name, interpreter_version_info = None, **kwargs):
    """As upstream's.

    Args:
        name: of the target
        interpreter_version_info: for upstream; Bazel 7's rule has no use for it
        **kwargs: attributes of Bazel's own rule
    """
    native.py_runtime(
        name = name,
        bootstrap_template = Label("//python/private:bootstrap.sh.tpl"),
        **kwargs
    )
