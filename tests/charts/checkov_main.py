"""checkov, started as its own program does."""

import sys

from checkov.main import Checkov

if __name__ == "__main__":
    sys.exit(Checkov().run())
