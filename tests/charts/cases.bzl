"What is rendered to golden files."

SUBCHARTS = [
    "elasticsearch",
    "hitl-ui",
    "metrics",
    "orchestrator",
    "redis",
    "workers",
]

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

# Name of the golden to what --set is given, over the production values.
CASES = {
    "auth_token": _SIDECARS + _both("authToken.existingSecret=mcp-token"),
    "defaults": [],
    "elasticsearch_cluster": ["elasticsearch.replicas=3"] + _SIDECARS,
    "http_probes": _SIDECARS + _both("probes.type=http"),
    "metrics_tls": _SIDECARS + _both("tls.existingSecret=mcp-tls") + _both("prometheus.enabled=true") + [
        "metrics.vmagent.tls.existingSecret=mcp-tls",
        "metrics.vmagent.tls.serverName=mcp.example.com",
    ],
    "monitoring": _SIDECARS + _both("prometheus.enabled=true") +
                  ["monitoring.dashboard.enabled=true", "monitoring.rules.enabled=true"],
    "monitoring_operator": [
        "monitoring.rules.enabled=true",
        "monitoring.rules.kind=PrometheusRule",
        "monitoring.rules.labels.release=prometheus",
    ],
    "network_policy": _SIDECARS + _both("networkPolicy.enabled=true") +
                      _both("networkPolicy.from[0].namespaceSelector.matchLabels.mcp-clients=yes") +
                      _both("prometheus.enabled=true"),
    "own_login": _PASSWORDS + _SIDECARS + [
        "elasticsearch.mcpSidecar.extraEnv[0].name=ES_API_KEY_FILE",
        "elasticsearch.mcpSidecar.extraEnv[0].value=/run/secrets/elasticsearch/api-key",
        "elasticsearch.mcpSidecar.extraVolumes[0].name=login",
        "elasticsearch.mcpSidecar.extraVolumes[0].secret.secretName=elasticsearch-mcp",
        "elasticsearch.mcpSidecar.extraVolumeMounts[0].name=login",
        "elasticsearch.mcpSidecar.extraVolumeMounts[0].mountPath=/run/secrets/elasticsearch",
    ],
    "passwords": _PASSWORDS,
    "passwords_sidecars": _PASSWORDS + _SIDECARS,
    "pinned_images": _SIDECARS + _both("image.digest=sha256:" + "0123456789abcdef" * 4),
    "prometheus_off": ["orchestrator.prometheus.enabled=false", "workers.prometheus.enabled=false"],
    "sidecars": _SIDECARS,
    "sidecars_everything": _SIDECARS + _both("prometheus.enabled=true") + _both("allowWrites=true") +
                           _both("tmp.enabled=true") + _both("allowedHosts={mcp.example.com}") +
                           _both("extraEnv[0].name=MCP_LOG_LEVEL") + _both("extraEnv[0].value=debug"),
    "tls": _SIDECARS + _both("tls.existingSecret=mcp-tls") + _both("tls.clientCAKey=ca.crt") + _both("probes.type=http") +
           _both("authToken.existingSecret=mcp-tokens") + _both("authToken.several=true"),
    "without_persistence": [
        "elasticsearch.persistence.enabled=false",
        "metrics.persistence.enabled=false",
        "redis.persistence.enabled=false",
    ],
}
