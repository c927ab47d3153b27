"""What tests and tools need to start an Elasticsearch or OpenSearch node with tools/backends/elasticsearch.py."""

ELASTICSEARCH_DATA = [
    "//bazel/elasticsearch:node",
    "@elasticsearch//:home",
]

ELASTICSEARCH_ENV = {
    "ELASTICSEARCH_HOME": "$(rlocationpath @elasticsearch//:home)",
    "ELASTICSEARCH_NODE": "$(rlocationpath //bazel/elasticsearch:node)",
}

OPENSEARCH_DATA = [
    "//bazel/elasticsearch:opensearch_node",
    "@opensearch2//:home",
    "@opensearch3//:home",
]

OPENSEARCH_ENV = {
    "OPENSEARCH2_HOME": "$(rlocationpath @opensearch2//:home)",
    "OPENSEARCH3_HOME": "$(rlocationpath @opensearch3//:home)",
    "OPENSEARCH_NODE": "$(rlocationpath //bazel/elasticsearch:opensearch_node)",
}
