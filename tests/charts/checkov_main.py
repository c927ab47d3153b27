"""checkov, started as its own program does."""

from __future__ import annotations

import sys

from checkov.main import Checkov

if __name__ == "__main__":
    sys.exit(Checkov().run())
