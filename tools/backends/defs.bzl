"What a test or tool that starts the stores gives as `data` and `env`."

load("//bazel/elasticsearch:defs.bzl", "ELASTICSEARCH_DATA", "ELASTICSEARCH_ENV")

REDIS_DATA = ["@debian_redis//:redis-server"]
REDIS_ENV = {"REDIS_SERVER": "$(rlocationpath @debian_redis//:redis-server)"}

BACKENDS_DATA = REDIS_DATA + ELASTICSEARCH_DATA
BACKENDS_ENV = REDIS_ENV | ELASTICSEARCH_ENV
