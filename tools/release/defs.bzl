"What is released, and what a tool or test that pushes gives as `data` and `env`."

IMAGES = ["elasticsearch", "redis"]

_CLIENTS = {
    "CRANE": "//bazel/image:crane",
    "HELM": "@helm4//:helm",
}

CLIENTS_DATA = _CLIENTS.values()
CLIENTS_ENV = {name: "$(rlocationpath %s)" % label for name, label in _CLIENTS.items()}
