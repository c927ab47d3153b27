"py_wheel, with upstream's attributes as far as this workspace uses them; the wheel has upstream's bytes."

load("//python/private:attributes.bzl", "checked")
load("//python/private:wheel.bzl", _py_wheel = "py_wheel")

def py_wheel(name, **kwargs):
    """As upstream's; see there. Without its targets NAME.dist and NAME.publish."""
    _py_wheel(name = name, **checked("py_wheel", kwargs))
