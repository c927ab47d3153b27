"""What the servers may cost in bytes and memory. Raise a number only with a reason in the commit's message."""

KB = 1000

LISTING = {"redis": 17 * KB, "elasticsearch": 17 * KB}
"""Bytes of tools/list with all tools, as compact JSON: what a model reads before its first question."""

LAYERS = {"base": 1_950 * KB, "python": 7_200 * KB, "wheels": 8_700 * KB, "client": 3_500 * KB, "code": 620 * KB}
"""Bytes of a layer of an image for amd64, packed."""

PACKED = 24_000 * KB
"""Bytes of an image, packed."""

IDLE_MIB = {"redis": 46, "elasticsearch": 56}
"""MiB of anonymous memory of an image's server that was asked for its health alone; the chart requests 64."""

GROWTH_MIB = 4
"""MiB of anonymous memory that requests may add, after the first ones, which build models."""
