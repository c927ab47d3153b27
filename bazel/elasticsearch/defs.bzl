"""What tests and tools need to start an Elasticsearch node with tools/backends/elasticsearch.py."""

ELASTICSEARCH_DATA = [
    "//bazel/elasticsearch:node",
    "@elasticsearch//:home",
]

ELASTICSEARCH_ENV = {
    "ELASTICSEARCH_HOME": "$(rlocationpath @elasticsearch//:home)",
    "ELASTICSEARCH_NODE": "$(rlocationpath //bazel/elasticsearch:node)",
}
