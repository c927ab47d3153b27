"""Whether two builds of a commit are the same."""
