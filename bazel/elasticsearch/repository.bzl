"Fetches the locked jars, from a mirror or through the machine's own Maven, and lays them out as Elasticsearch or OpenSearch wants them."

_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
_ADVICE = "do not use it; a proxy, the mirror or ~/.m2/repository may hold a broken file"

_BUILD = """package(default_visibility = ["//visibility:public"])

filegroup(name = "lib", srcs = glob(["home/lib/*.jar"]))

filegroup(name = "compiler", srcs = glob(["compiler/*.jar"]))

# All of them; strip the prefix home.
filegroup(name = "files", srcs = glob(["home/**"]))

# One file, so that $(rlocationpath) finds the folder.
filegroup(
    name = "home",
    srcs = ["home/version"],
    data = glob(["home/**"]),
)
"""

# As in the module's own distribution; its jar has none.
_DESCRIPTOR = """name={name}
description={name}
version={version}
{product}.version={version}
java.version=17
classname={classname}
"""

def _folder(name, modules):
    """The folder of a set's jars."""
    if name in modules:
        return "home/modules/%s/" % name
    return {"compiler": "compiler/", "lib": "home/lib/"}[name]

def _pom(jars):
    dependencies = []
    for jar in jars:
        group, artifact, version = jar["name"].split(":")
        dependencies.append("<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>" % (
            group,
            artifact,
            version,
        ))
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>' +
        "<groupId>local</groupId><artifactId>fetch</artifactId><version>1</version><packaging>pom</packaging>" +
        "<dependencies>%s</dependencies></project>" % "".join(dependencies)
    )

def _fetch_with_maven(ctx, product, jars):
    """Has Maven copy the jars into a folder laid out as a repository, and gives its address."""
    mvn = ctx.which("mvn")
    if not mvn:
        fail("the jars of %s: mvn is not on this machine's PATH: install it (Debian, Ubuntu: apt-get install maven), " % product +
             "or set MAVEN_MIRROR to the address of a Maven repository (--repo_env=MAVEN_MIRROR=...)")
    ctx.report_progress("Maven fetches %d jars" % len(jars))
    ctx.file("maven/pom.xml", _pom(jars))
    result = ctx.execute([
        mvn,
        "--batch-mode",
        "--quiet",
        "--update-snapshots",  # asks again for what was not found before
        "--file=maven/pom.xml",
        _PLUGIN + ":copy-dependencies",
        "-DexcludeTransitive=true",
        "-Dmdep.useRepositoryLayout=true",
        "-DoutputDirectory=%s" % ctx.path("maven/jars"),
    ], timeout = 1800)
    if result.return_code:
        lines = [
            line.removeprefix("[ERROR]").strip()
            for line in (result.stdout + "\n" + result.stderr).split("\n")
            if line.startswith("[ERROR]")
        ]

        # Its first sentence runs over several lines; advice on Maven itself follows.
        reason = " ".join(lines).split(" -> [Help")[0]
        fail("the jars of %s: Maven can't fetch them: %s" % (product, reason[:600] or "it gives no reason"))
    return "file://%s" % ctx.path("maven/jars")

def _elasticsearch_repository_impl(ctx):
    lock = json.decode(ctx.attr.lock)
    mirror = ctx.getenv("MAVEN_MIRROR")
    if mirror:
        place, advice = "MAVEN_MIRROR", "check its address, or unset it to fetch through Maven"
    else:
        mirror = _fetch_with_maven(ctx, lock["product"], [jar for jars in lock["sets"].values() for jar in jars])
        place, advice = "what Maven fetched", "run the build again"
    for name, jars in lock["sets"].items():
        for jar in jars:
            url = mirror.rstrip("/") + "/" + jar["path"]
            output = _folder(name, lock["modules"]) + jar["path"].split("/")[-1]
            if ctx.download(url, output, sha256 = jar["sha256"], allow_fail = True).success:
                continue

            # Asked again without a hash, to tell a file that is another from one that is not there.
            other = ctx.download(url, output, allow_fail = True)
            if other.success:
                fail("the jar %s has sha256 %s, but %s wants %s: %s" % (
                    jar["name"],
                    other.sha256,
                    ctx.attr.lock_name,
                    jar["sha256"],
                    _ADVICE,
                ))
            fail("the jar %s is not in %s: %s" % (jar["name"], place, advice))
    ctx.delete("maven")
    for name, module in lock["modules"].items():
        text = _DESCRIPTOR.format(name = name, version = lock["version"], product = lock["product"], classname = module["classname"])
        if "extends" in module:
            text += "extended.plugins=%s\n" % module["extends"]
        ctx.file("home/modules/%s/plugin-descriptor.properties" % name, text)
    ctx.file("home/version", lock["version"] + "\n")
    ctx.file("BUILD.bazel", _BUILD)

elasticsearch_repository = repository_rule(
    implementation = _elasticsearch_repository_impl,
    doc = "The jars of a lock. MAVEN_MIRROR: the address of a Maven repository, used in place of the machine's Maven.",
    attrs = {
        "lock": attr.string(mandatory = True, doc = "Its content: product, version, modules, and sets of name, path, sha256."),
        "lock_name": attr.string(mandatory = True, doc = "Its path, for messages."),
    },
    environ = ["MAVEN_MIRROR"],
)
