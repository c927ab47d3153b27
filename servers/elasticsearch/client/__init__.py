"""The connection to Elasticsearch: the official client, and nothing else, talks to it."""
