"""python -m servers.elasticsearch"""

from servers.common.startup import serve


def stdio() -> None:
    """The wheel's program: a client on the same machine starts it, and speaks to it over standard input and output."""
    serve("servers.elasticsearch.server", "stdio")


if __name__ == "__main__":
    serve("servers.elasticsearch.server")
