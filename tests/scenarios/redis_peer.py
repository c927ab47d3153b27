"""redis-mcp-server, started from its wheel."""

import ctypes

from tools.backends.runfiles import program

# Its vectors need numpy, and that the C++ library, which this Python comes without.
ctypes.CDLL(str(program("LIBSTDCXX")))

from src.main import cli  # type: ignore[import-not-found]  # noqa: E402

cli()
