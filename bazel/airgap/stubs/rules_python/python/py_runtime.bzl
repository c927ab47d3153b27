"py_runtime of Bazel itself, with a bootstrap that needs no Python on the host."

def py_runtime(name, **kwargs):
    """As upstream's. interpreter_version_info is left out, for Bazel 7's rule has no use for it."""
    kwargs.pop("interpreter_version_info", None)

    # buildifier: disable=native-py
    native.py_runtime(
        name = name,
        bootstrap_template = Label("//python/private:bootstrap.sh.tpl"),
        **kwargs
    )
