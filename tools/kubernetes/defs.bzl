"The programs and files of a tool that deploys to Kubernetes."

KUBERNETES = {
    "CHART": "//charts/dox-asdlc",
    "DEMO_TAR": "//examples/demo:tar",
    "ELASTICSEARCH_TAR": "//servers/elasticsearch:tar",
    "HELM": "@helm4//:helm",
    "REDIS_TAR": "//servers/redis:tar",
    "VALUES": "//charts/dox-asdlc:values-minikube.yaml",
}
