"The attributes that both this stand-in and upstream take."

_COMMON = ["compatible_with", "deprecation", "exec_compatible_with", "tags", "target_compatible_with", "testonly", "visibility"]

_HERE = {
    "oci_image": ["architecture", "os", "tars", "user"],
    "oci_image_index": ["images"],
    "oci_load": ["image", "loader"],
    "oci_push": ["image"],
}

_UPSTREAM = {
    "oci_image": ["annotations", "base", "cmd", "created", "resource_set", "variant", "volumes", "workdir"],
    "oci_image_index": ["platforms"],
    "oci_load": ["format"],
    "oci_push": ["repository", "repository_file"],
}

def checked(rule, kwargs):
    """Refuses what the stand-in does not do, with the reason.

    Args:
        rule: name of the rule
        kwargs: its attributes
    """
    for name in kwargs:
        if name in _UPSTREAM[rule]:
            fail("rules_oci stand-in: %s has '%s' only in the connected way (BAZELW_MODE=connected)" % (rule, name))
        if name not in _HERE[rule] + _COMMON:
            fail("rules_oci stand-in: %s has no attribute '%s', here or upstream" % (rule, name))
