"What a tool that deploys to Kubernetes gives as `data` and `env`."

_FILES = {
    "CHART": "//charts/dox-asdlc",
    "DEMO_TAR": "//examples/demo:tar",
    "ELASTICSEARCH_TAR": "//servers/elasticsearch:tar",
    "HELM": "@helm4//:helm",
    "REDIS_TAR": "//servers/redis:tar",
    "VALUES": "//charts/dox-asdlc:values-minikube.yaml",
}

KUBERNETES_DATA = _FILES.values()
KUBERNETES_ENV = {name: "$(rlocationpath %s)" % label for name, label in _FILES.items()}
