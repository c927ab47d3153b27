"""What may be sent to Elasticsearch."""
