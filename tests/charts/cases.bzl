"What is rendered to golden files."

_APPLICATIONS_ON = [name + ".enabled=true" for name in ("hitl-ui", "orchestrator", "workers")]

_SIDECARS = [
    "redis.mcpSidecar.enabled=true",
    "elasticsearch.mcpSidecar.enabled=true",
]

_PASSWORDS = [
    "global.redis.auth.existingSecret=redis-login",
    "global.elasticsearch.auth.existingSecret=elasticsearch-login",
]

def _both(setting):
    return [store + ".mcpSidecar." + setting for store in ("redis", "elasticsearch")]

# Name of a golden to what --set is given.
_OVER_DEFAULTS = {
    "monitoring_operator": [
        "monitoring.podMonitor.enabled=true",
        "monitoring.podMonitor.labels.release=prometheus",
    ],
    "only_applications": _APPLICATIONS_ON + [other + ".enabled=false" for other in ("elasticsearch", "metrics", "redis")] + [
        "global.redis.host=redis.example",
        "global.elasticsearch.host=elasticsearch.example",
    ],
    "sidecars": _SIDECARS,
    "without_persistence": [
        "elasticsearch.persistence.enabled=false",
        "metrics.persistence.enabled=false",
        "redis.persistence.enabled=false",
    ],
}

# The same, with both sidecars on.
_OVER_SIDECARS = {
    "applications": _APPLICATIONS_ON,
    "http_probes": _both("probes.type=http"),
    "mcp_servers": [
        "mcpServers.cache.autoscaling.enabled=true",
        "mcpServers.cache.autoscaling.minReplicas=2",
        "mcpServers.cache.ingress.enabled=true",
        "mcpServers.cache.ingress.host=mcp.example.com",
        "mcpServers.cache.ingress.tlsSecret=mcp-tls",
        "mcpServers.cache.server.authToken.existingSecret=mcp-token",
        "mcpServers.cache.server.keyPrefixes={a:,b:}",
        "mcpServers.cache.server.networkPolicy.enabled=true",
        "mcpServers.cache.store.auth.existingSecret=cache",
        "mcpServers.cache.store.auth.username=mcp",
        "mcpServers.cache.store.host=redis.example",
        "mcpServers.cache.store.kind=redis",
        "mcpServers.cache.store.tls.enabled=true",
        "mcpServers.cache.store.tls.existingSecret=cache-ca",
        "mcpServers.search.httpRoute.enabled=true",
        "mcpServers.search.httpRoute.hostnames={search.example.com}",
        "mcpServers.search.httpRoute.parentRefs[0].name=gateway",
        "mcpServers.search.replicas=2",
        "mcpServers.search.server.indexPatterns={logs-*}",
        "mcpServers.search.server.oauth.issuer=https://issuer.example",
        "mcpServers.search.server.oauth.jwksUrl=https://issuer.example/jwks",
        "mcpServers.search.server.oauth.resource=https://search.example.com/mcp",
        "mcpServers.search.server.prometheus.enabled=true",
        "mcpServers.search.store.auth.existingSecret=search",
        "mcpServers.search.store.auth.type=apiKey",
        "mcpServers.search.store.host=elasticsearch.example",
        "mcpServers.search.store.kind=elasticsearch",
    ],
    "monitoring": _both("prometheus.enabled=true") + [
        "monitoring.dashboard.enabled=true",
        "monitoring.rules.enabled=true",
    ],
    "sidecars_everything": _both("prometheus.enabled=true") + _both("allowWrites=true") + _both("tmp.enabled=true") +
                           _both("allowedHosts={mcp.example.com}") + _both("extraEnv[0].name=MCP_LOG_LEVEL") +
                           _both("extraEnv[0].value=debug") + _both("authToken.existingSecret=mcp-token") +
                           _both("image.digest=sha256:" + "0123456789abcdef" * 4) +
                           _both("networkPolicy.enabled=true") +
                           _both("networkPolicy.storeFrom[0].podSelector.matchLabels.role=indexer") +
                           _both("networkPolicy.from[0].namespaceSelector.matchLabels.mcp-clients=yes"),
    "tls": _both("tls.existingSecret=mcp-tls") + _both("tls.clientCAKey=ca.crt") + _both("probes.type=http") +
           _both("authToken.existingSecret=mcp-tokens") + _both("authToken.several=true") +
           _both("prometheus.enabled=true") + [
        "metrics.vmagent.tls.existingSecret=mcp-tls",
        "metrics.vmagent.tls.serverName=mcp.example.com",
    ],
}

# The same, with the applications as well.
_OVER_APPLICATIONS = {
    # Names and ports are followed everywhere.
    "names_and_ports": [
        "elasticsearch.mcpSidecar.port=9010",
        "elasticsearch.port=9201",
        "orchestrator.port=9999",
        "redis.fullnameOverride=cache",
        "redis.port=6380",
        "workers.prometheus.port=9100",
    ],
    "own_login": _PASSWORDS + [
        "elasticsearch.mcpSidecar.extraEnv[0].name=ES_API_KEY_FILE",
        "elasticsearch.mcpSidecar.extraEnv[0].value=/run/secrets/elasticsearch/api-key",
        "elasticsearch.mcpSidecar.extraVolumes[0].name=login",
        "elasticsearch.mcpSidecar.extraVolumes[0].secret.secretName=elasticsearch-mcp",
        "elasticsearch.mcpSidecar.extraVolumeMounts[0].name=login",
        "elasticsearch.mcpSidecar.extraVolumeMounts[0].mountPath=/run/secrets/elasticsearch",
        "redis.mcpSidecar.extraEnv[0].name=REDIS_USERNAME",
        "redis.mcpSidecar.extraEnv[0].value=mcp",
        "redis.mcpSidecar.extraEnv[1].name=REDIS_PASSWORD",
        "redis.mcpSidecar.extraEnv[1].valueFrom.secretKeyRef.name=redis-mcp",
        "redis.mcpSidecar.extraEnv[1].valueFrom.secretKeyRef.key=password",
    ],
    "passwords_applications": _PASSWORDS + [
        "workers.stores.redis.auth.existingSecret=workers-redis",
        "workers.stores.redis.auth.username=workers",
    ],
    # TLS and users of the stores, and what needs them.
    "encrypted": _PASSWORDS + [
        "elasticsearch.keystoreSecrets={repository}",
        "elasticsearch.nodeSets.hot.persistence.size=100Gi",
        "elasticsearch.nodeSets.hot.roles={data_hot,ingest}",
        "elasticsearch.replicas=3",
        "elasticsearch.transportTls.existingSecret=elasticsearch-transport",
        "global.elasticsearch.tls.enabled=true",
        "global.elasticsearch.tls.existingSecret=elasticsearch-tls",
        "global.redis.auth.username=app",
        "global.redis.tls.enabled=true",
        "global.redis.tls.existingSecret=redis-tls",
        "redis.acl.existingSecret=redis-users",
    ],
}

# Name of a golden to the render that it is compared with, where another one is more like it.
_BASES = {
    "encrypted": "passwords_applications",
    "only_applications": "applications",
    "own_login": "passwords_applications",
    "tls": "http_probes",
}

# Name of a golden to (the render that it is compared with, what --set is given).
CASES = {"defaults": (None, [])} | {
    name: (_BASES.get(name, base), on + settings)
    for base, on, cases in (
        ("defaults", [], _OVER_DEFAULTS),
        ("sidecars", _SIDECARS, _OVER_SIDECARS),
        ("applications", _SIDECARS + _APPLICATIONS_ON, _OVER_APPLICATIONS),
    )
    for name, settings in cases.items()
}
