"""What tests and tools need to start an Elasticsearch or OpenSearch node with tools/backends/elasticsearch.py, and programs in Java."""

ELASTICSEARCH = {
    "ELASTICSEARCH_HOME": "@elasticsearch//:home",
    "ELASTICSEARCH_NODE": "//bazel/elasticsearch:node",
}

OPENSEARCH = {
    "OPENSEARCH2_HOME": "@opensearch2//:home",
    "OPENSEARCH3_HOME": "@opensearch3//:home",
    "OPENSEARCH_NODE": "//bazel/elasticsearch:opensearch_node",
}

def java_jar(name, source, lib, **kwargs):
    """NAME.jar, compiled from a Java source on a class path of jars."""
    native.genrule(
        name = name,
        srcs = [source, lib, "@elasticsearch//:compiler"],
        outs = [name + ".jar"],
        cmd = "$(execpath //bazel/elasticsearch:compile) --compiler $(execpath @elasticsearch//:compiler) --output $@" +
              " --classpath $(execpaths %s) -- $(execpath %s)" % (lib, source),
        message = "Compiling " + source,
        tools = ["//bazel/elasticsearch:compile"],
        **kwargs
    )
