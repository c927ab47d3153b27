"""python -m servers.elasticsearch"""

from servers.common.startup import begin


def serve(transport: str) -> None:
    begin()
    # Imports take most of the start.
    from servers.common.main import run

    run("servers.elasticsearch.server", transport)


def stdio() -> None:
    """The wheel's program: a client on the same machine starts it, and speaks to it over standard input and output."""
    serve("stdio")


if __name__ == "__main__":
    serve("http")
