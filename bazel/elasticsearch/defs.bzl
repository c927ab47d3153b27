"""What tests and tools need to start an Elasticsearch or OpenSearch node with tools/backends/elasticsearch.py."""

ELASTICSEARCH = {
    "ELASTICSEARCH_HOME": "@elasticsearch//:home",
    "ELASTICSEARCH_NODE": "//bazel/elasticsearch:node",
}

OPENSEARCH = {
    "OPENSEARCH2_HOME": "@opensearch2//:home",
    "OPENSEARCH3_HOME": "@opensearch3//:home",
    "OPENSEARCH_NODE": "//bazel/elasticsearch:opensearch_node",
}
