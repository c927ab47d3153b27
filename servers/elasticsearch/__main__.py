"""python -m servers.elasticsearch"""

from servers.common.starting import end_when_told

if __name__ == "__main__":
    end_when_told()
    # Imports take most of the start.
    from servers.common.main import run

    run("servers.elasticsearch.server")
