#!/bin/bash
# The entry point of the stand-in for Elasticsearch's image, under the name that it has there.
exec /usr/bin/python3.11 -P -m tests.cluster.images.elasticsearch "$@"
