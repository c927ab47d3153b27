"The programs of a test or tool that starts the stores."

load("//bazel/elasticsearch:defs.bzl", "ELASTICSEARCH")

REDIS = {"REDIS_SERVER": "@debian_redis//:redis-server"}

BACKENDS = REDIS | ELASTICSEARCH
