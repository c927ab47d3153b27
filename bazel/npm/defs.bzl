"""What a test that runs JavaScript gives as `data` and `env`."""

NPM_DATA = [
    "@npm//:bin/node",
    "@npm//:node_modules",
]

NPM_ENV = {
    "NODE": "$(rlocationpath @npm//:bin/node)",
    "NODE_MODULES": "$(rlocationpath @npm//:node_modules)",
}
