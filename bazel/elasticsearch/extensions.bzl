"""Module extension for the embedded Elasticsearch of tests and the quickstart, and the embedded OpenSearch of tests, from their locks.

`@elasticsearch//:home` is its folder, laid out as Elasticsearch's own distribution: lib/ and modules/transport-netty4/;
`@elasticsearch//:lib` and `:compiler` are jars. `@opensearch2` and `@opensearch3` are the same, with more modules and no compiler.
`@mcp_java//:lib` is the Java SDK of MCP, for tests of clients.
"""

load(":repository.bzl", "elasticsearch_repository")

_LOCKS = {
    "elasticsearch": Label("//bazel/elasticsearch:lock.json"),
    "mcp_java": Label("//bazel/elasticsearch:mcp.json"),
    "opensearch2": Label("//bazel/elasticsearch:opensearch2.json"),
    "opensearch3": Label("//bazel/elasticsearch:opensearch3.json"),
}

def _elasticsearch_impl(ctx):
    for name, lock in _LOCKS.items():
        elasticsearch_repository(name = name, lock = ctx.read(lock), lock_name = "%s/%s" % (lock.package, lock.name))
    return ctx.extension_metadata(reproducible = True)

elasticsearch = module_extension(implementation = _elasticsearch_impl)
