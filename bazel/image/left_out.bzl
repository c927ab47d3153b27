"""What stays out of the images: globs of paths, by why they do. A later "!GLOB" takes some in again."""

def _all(why, folder = ""):
    return [folder + path for paths in why.values() for path in paths]

# Of Debian's packages. Never of use in an image.
DEBRIS = _all({
    "a shell, an init system or a terminal needs it": ["usr/sbin/*", "usr/bin/*", "sbin/*", "etc/*", "usr/share/perl5/*"],
    "documentation, but for licences": ["usr/share/doc/*", "!usr/share/doc/*/copyright", "usr/share/man/*", "usr/share/lintian/*"],
    "texts and pictures of desktops": ["usr/share/locale/*", "usr/share/pixmaps/*", "usr/share/binfmts/*"],
    "tools that report bugs": ["usr/share/bug/*", "usr/share/apport/*"],
})

BASE = DEBRIS + ["!etc/debian_version", "!etc/mime.types", "!etc/os-release"] + _all({
    "base files of a machine that people log in to": ["usr/share/base-files/*", "usr/share/dict/*", "root/*"],
    "character sets beside UTF-8, which the C library has built in": ["usr/lib/*/gconv/*"],
    "vectorised mathematics, and what watches programs from within": [
        "lib/*/lib%s" % library
        for library in ["mvec.so*", "c_malloc_debug.so*", "memusage.so", "pcprofile.so", "thread_db.so*", "BrokenLocale.so*"]
    ],
    "name services beside files and DNS": ["lib/*/libnsl.so*", "lib/*/libnss_compat.so*", "lib/*/libnss_hesiod.so*"],
    "zones counted with leap seconds, and the zones' sources": [
        "usr/share/zoneinfo/" + path
        for path in ["right/*", "posix/*", "tzdata.zi"]
    ],
    "what the bundle of certificates is not made of": ["usr/share/ca-certificates/*", "!usr/share/ca-certificates/mozilla/*"],
})

PYTHON = DEBRIS + ["!usr/bin/python3.11"] + _all({
    "expat of wide characters": ["usr/lib/*/libexpatw.so*"],
    "what OpenSSL loads only where its configuration says so, and there is none": ["usr/lib/*/engines-3/*", "usr/lib/*/ossl-modules/*"],
}) + _all(folder = "usr/lib/python3.11/", why = {
    "games and greetings": ["__hello__.py", "__phello__*", "antigravity.py", "this.py", "turtle.py", "turtledemo/*"],
    "windows and terminals": ["curses/*", "idlelib/*", "tkinter/*"],
    "packaging, and what builds Python": ["config-3.11-*", "_distutils_system_mod.py", "distutils/*", "ensurepip/*", "sitecustomize.py", "venv/*", "zipapp.py"],
    "tests": ["test/*", "unittest/*", "doctest.py", "lib-dynload/_ctypes_test.*", "lib-dynload/_test*", "lib-dynload/_xx*", "lib-dynload/xx*"],
    "debuggers and profilers": ["bdb.py", "cProfile.py", "lib-dynload/_lsprof.*", "pdb.py", "profile.py", "pstats.py", "trace.py"],
    "what works on sources": ["compileall.py", "lib2to3/*", "modulefinder.py", "pickletools.py", "pyclbr.py", "symtable.py", "tabnanny.py"],
    "consoles and help": ["cmd.py", "code.py", "codeop.py", "pydoc.py", "pydoc_data/*"],
    "formats that no module of the images imports": ["_markupbase.py", "html/parser.py", "optparse.py", "shelve.py", "xml/*", "xmlrpc/*"],
    "the same, gone from Python 3.13 (PEP 594): media": ["aifc.py", "chunk.py", "imghdr.py", "lib-dynload/audioop.*", "sndhdr.py", "sunau.py", "uu.py", "wave.py"],
    "and protocols": ["asynchat.py", "asyncore.py", "cgi.py", "cgitb.py", "crypt.py", "mailcap.py", "nntplib.py", "pipes.py", "smtpd.py", "telnetlib.py", "xdrlib.py"],
    "protocols that no module of the images speaks": ["imaplib.py", "mailbox.py", "poplib.py", "urllib/robotparser.py", "wsgiref/validate.py"],
    "for Windows": ["asyncio/proactor_events.py", "asyncio/windows_*.py", "ctypes/wintypes.py", "encodings/mbcs.py", "encodings/oem.py", "multiprocessing/popen_spawn_win32.py", "nturl2path.py"],
    "for macOS and AIX": ["_aix_support.py", "_osx_support.py", "ctypes/macholib/*", "plistlib.py"],
    "in Python, what is there in C": ["_pydecimal.py", "_pyio.py"],
    "character sets of East Asia beside UTF-8": ["encodings/%s" % name for name in ["big5*", "cp932.py", "cp949.py", "cp950.py", "euc_*", "gb*", "hz.py", "iso2022_*", "johab.py", "shift_jis*"]] +
                                                ["lib-dynload/_codecs_*", "lib-dynload/_multibytecodec.*"],
    "their libraries are left out of the lock": ["dbm/*", "sqlite3/*"] + ["lib-dynload/%s" % name for name in ["_crypt.*", "_curses*", "_dbm.*", "_sqlite3.*", "ossaudiodev.*", "nis.*", "readline.*"]],
})

# Of wheels, what is for compilers and type checkers, and what is required by parts that no server runs: the SDK's client and
# its high-level server (servers/common/lazy_imports.py imports neither). Tests of the images import all that is left.
WHEELS = ["*.pyi", "*/py.typed", "*.c", "*.pyx", "*.pxd"] + _all(folder = "*/dist-packages/", why = {
    "cryptography is made with it, and needs only its backend": ["cffi/*", "cffi-*", "pycparser*"],
    "the client's HTTP": ["httpcore2/*", "httpcore2-*", "httpx2/*", "httpx2-*", "mcp/shared/_httpx_utils.py", "truststore/*", "truststore-*"],
    "uvicorn's HTTP without httptools": ["h11/*", "h11-*", "uvicorn/protocols/http/h11_impl.py"],
    "for the schemas of the client and of the high-level server": ["jsonschema*", "referencing*", "rpds*", "mcp/cli/*", "mcp/client/*", "mcp/server/mcpserver/*"],
    "attributes and metrics that nothing of ours tells of": ["opentelemetry/semconv/_incubating/*", "opentelemetry/proto_json/profiles/*", "opentelemetry/proto_json/collector/profiles/*"],
    "for tests and type checkers": ["anyio/pytest_plugin.py", "click/testing.py", "pydantic/mypy.py", "starlette/testclient.py"],
    "for another event loop": ["anyio/_backends/_trio.py"],
    "what can't be imported here: for Windows and macOS, or with the library of C++": ["click/_winconsole.py", "frozenlist/_frozenlist.*.so"],
    "and what needs the above or jinja2": ["mcp/server/apps.py", "mcp/server/fastmcp*", "prometheus_client/aiohttp/*", "starlette/templating.py"],
    "pydantic's first version": ["pydantic/v1/*"],
    "failover between whole databases": ["redis/asyncio/multidb/*", "redis/multidb/*"],
    "commands of Redis' modules as methods": ["redis/commands/%s/*" % module for module in ["bf", "json", "search", "timeseries", "vectorset"]],
    "Elasticsearch's query builder and helpers": ["elasticsearch/_async/helpers.py", "elasticsearch/dsl/*", "elasticsearch/esql/*", "elasticsearch/helpers/*"],
    "what these need, and certificates where the system's are used": ["dateutil/*", "python_dateutil-*", "certifi/*", "certifi-*"],
    "HTTP servers": ["aiohttp/*.pxi", "aiohttp/pytest_plugin.py", "aiohttp/test_utils.py", "aiohttp/web*", "aiohttp/worker.py"],
    "a client's parts for other implementations of TLS and HTTP": ["urllib3/contrib/*", "urllib3/http2/connection.py"],
}) + ["!*/opentelemetry/semconv/_incubating/*/otel_*.py"]  # the exporters need those of OpenTelemetry itself

# Wheels' sources that stay although bytecode comes instead: anyio reads which of its modules may be imported later out of them.
READERS = ["*/dist-packages/anyio/__init__.py", "*/dist-packages/anyio/abc/__init__.py"]
