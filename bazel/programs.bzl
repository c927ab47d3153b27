"Files that tests and tools find by environment variables."

def locations(programs):
    """Returns the environment of a rule that has these files as data, by the variables that tools/backends/runfiles.py reads."""
    return {variable: "$(rlocationpath %s)" % label for variable, label in programs.items()}
