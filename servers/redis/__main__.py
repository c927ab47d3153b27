"""python -m servers.redis"""

from servers.common.main import run
from servers.redis.server import SIDECAR

if __name__ == "__main__":
    run(SIDECAR)
