"""python -m servers.elasticsearch"""

from servers.common.main import run
from servers.elasticsearch.server import SIDECAR

if __name__ == "__main__":
    run(SIDECAR)
