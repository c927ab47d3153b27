"""How Elasticsearch's server is started without its launcher: for a node on this machine, and for one in an image."""

LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""
"""log4j2.properties: all of it to standard output."""

_JAVA = ("-XX:TieredStopAtLevel=1", "-Djava.security.manager=allow", "-Dlog4j2.formatMsgNoLookups=true")

OPTIONS = (
    *_JAVA,
    "--add-opens=java.base/java.io=org.elasticsearch.preallocate",
    "--add-modules=org.elasticsearch.server,org.elasticsearch.preallocate",
)
"""Of Java, but for the heap, its collector, folders, the module path and the class path."""

# The analysers need to know where Thai words end, which the wheel's Java runtime does not: icu4j-localespi knows.
OPENSEARCH_OPTIONS = (*_JAVA, "-Djava.locale.providers=CLDR,SPI")
"""Of Java for OpenSearch, but for the heap, its collector, folders and the class path."""
