"Files that tests and tools find by environment variables."

def locations(programs):
    """Returns the environment of a rule that has these programs as data.

    Args:
        programs: labels of single files by the variable that names them, as tools/backends/runfiles.py reads it
    """
    return {variable: "$(rlocationpath %s)" % label for variable, label in programs.items()}
