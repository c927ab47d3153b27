"What is released, and the programs of a tool or test that pushes."

IMAGES = ["elasticsearch", "redis"]

CLIENTS = {
    "CRANE": "//bazel/image:crane",
    "HELM": "@helm4//:helm",
}
