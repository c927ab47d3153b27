"The programs of a test that runs JavaScript."

NPM = {
    "NODE": "@npm//:bin/node",
    "NODE_MODULES": "@npm//:node_modules",
}
