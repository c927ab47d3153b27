"""Module extension for the embedded Elasticsearch of tests and the quickstart, from lock.json.

`@elasticsearch//:home` is its folder, laid out as Elasticsearch's own distribution: lib/ and modules/transport-netty4/;
`@elasticsearch//:lib` and `:compiler` are jars.
"""

load(":repository.bzl", "elasticsearch_repository")

_LOCK = Label("//bazel/elasticsearch:lock.json")

def _elasticsearch_impl(ctx):
    elasticsearch_repository(name = "elasticsearch", lock = ctx.read(_LOCK))
    return ctx.extension_metadata(reproducible = True)

elasticsearch = module_extension(implementation = _elasticsearch_impl)
