{{/*
The objects of an MCP server of its own, from a context {Values, Chart, Release, Path, ServerPath}: the values of this library with
those of the server as Values.mcpSidecar, and the paths of both for messages.
*/}}
{{- define "dox-asdlc.mcp-server" -}}
{{- include "dox-asdlc.mcp-server.check" . -}}
{{- include "dox-asdlc.distinctPorts" (dict "root" . "ports" (dict (printf "%s.port" .ServerPath) .Values.mcpSidecar.port)) -}}
{{- $name := include "dox-asdlc.fullname" . -}}
{{- $server := .Values.mcpSidecar -}}
{{- $store := merge (dict "port" (int .Values.store.port | default (eq .Values.store.kind "redis" | ternary 6379 9200))) .Values.store -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "dox-asdlc.metadata" . | nindent 2 }}
spec:
  {{- if not .Values.autoscaling.enabled }}
  replicas: {{ .Values.replicas | int }}
  {{- end }}
  {{- with .Values.updateStrategy }}
  strategy:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "dox-asdlc.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      {{- include "dox-asdlc.podMetadata" (dict "root" . "annotations" (include "dox-asdlc.mcp-sidecar.annotations" . | fromYaml)) | nindent 6 }}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds | int }}
      {{- include "dox-asdlc.placement" . | trim | nindent 6 }}
      containers:
        {{- include "dox-asdlc.mcp-sidecar.container" (dict "root" . "store" $store) | nindent 8 }}
        {{- with .Values.extraContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with include "dox-asdlc.mcp-sidecar.volumes" (dict "root" . "store" $store "own" "") | trim }}
      volumes:
        {{- . | nindent 8 }}
      {{- end }}
---
{{ include "dox-asdlc.service" (dict "root" . "name" $name "port" $server.port "portName" "mcp" "annotations" .Values.service.annotations) }}
{{- range list "dox-asdlc.podDisruptionBudget" "dox-asdlc.serviceAccount" }}
{{- with include . $ }}
---
{{ . }}
{{- end }}
{{- end }}
{{- with include "dox-asdlc.mcp-sidecar.networkPolicy" (dict "root" .) }}
---
{{ . }}
{{- end }}
{{- with .Values.autoscaling }}
{{- if .enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "dox-asdlc.metadata" $ | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ $name | quote }}
  minReplicas: {{ .minReplicas | int }}
  maxReplicas: {{ .maxReplicas | int }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .targetCPUUtilizationPercentage | int }}
{{- end }}
{{- end }}
{{- /* Not /metrics, /health and /ready, which ask for no token. OAuth clients learn of the issuer by RFC 9728. */}}
{{- $paths := list "/mcp" }}
{{- if or $server.oauth.issuer (include "dox-asdlc.mcp-sidecar.hasEnv" (dict "sidecar" $server "name" "^MCP_OAUTH_ISSUER$")) }}
{{- $paths = append $paths "/.well-known/oauth-protected-resource" }}
{{- end }}
{{- with .Values.ingress }}
{{- if .enabled }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "dox-asdlc.metadata" $ | nindent 2 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .className }}
  ingressClassName: {{ . | quote }}
  {{- end }}
  {{- with .tlsSecret }}
  tls:
    - hosts:
        - {{ $.Values.ingress.host | quote }}
      secretName: {{ . | quote }}
  {{- end }}
  rules:
    - host: {{ .host | quote }}
      http:
        paths:
          {{- range $paths }}
          - path: {{ . }}
            pathType: Prefix
            backend:
              service:
                name: {{ $name | quote }}
                port:
                  name: mcp
          {{- end }}
{{- end }}
{{- end }}
{{- with .Values.httpRoute }}
{{- if .enabled }}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  {{- include "dox-asdlc.metadata" $ | nindent 2 }}
spec:
  parentRefs:
    {{- toYaml .parentRefs | nindent 4 }}
  {{- with .hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    - matches:
        {{- range $paths }}
        - path:
            type: PathPrefix
            value: {{ . }}
        {{- end }}
      backendRefs:
        - name: {{ $name | quote }}
          port: {{ $server.port }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Refuses values that can't work, or that would be ignored. */}}
{{- define "dox-asdlc.mcp-server.check" -}}
{{- $path := .Path -}}
{{- $store := .Values.store -}}
{{- include "dox-asdlc.refuse" (list (not .Values.mcpSidecar.enabled) (printf "%s.server.enabled=false: take %s out, or set it to null" $path $path)) -}}
{{- include "dox-asdlc.refuse" (list (not $store.kind) (printf "%s.store.kind: set redis or elasticsearch" $path)) -}}
{{- $elsewhere := include "dox-asdlc.mcp-sidecar.hasEnv" (dict "sidecar" .Values.mcpSidecar "name" "^(REDIS_URL(_FILE)?|ES_HOSTS|ES_CLOUD_ID|REDIS_SENTINELS)$") -}}
{{- if and $store.host $elsewhere -}}
{{- fail (printf "%s.store.host would be ignored: server.extraEnv says where the store is" $path) -}}
{{- else if not (or $store.host $elsewhere) -}}
{{- fail (printf "%s.store.host: name the host of the %s" $path $store.kind) -}}
{{- end -}}
{{- $given := dict "port" (int $store.port) "auth" $store.auth.existingSecret "tls" (and $store.tls.enabled (not $store.tls.existingSecret)) -}}
{{- range $key, $names := dict "port" "REDIS_URL(_FILE)?|REDIS_SENTINELS|ES_CLOUD_ID" "auth" "(REDIS_(URL|PASSWORD)|ES_(API_KEY|BEARER_TOKEN|PASSWORD))(_FILE)?" "tls" "REDIS_URL(_FILE)?|ES_CLOUD_ID" -}}
{{- include "dox-asdlc.refuse" (list (and (get $given $key) (include "dox-asdlc.mcp-sidecar.hasEnv" (dict "sidecar" $.Values.mcpSidecar "name" (printf "^(%s)$" $names)))) (printf "%s.store.%s would be ignored: server.extraEnv contains it" $path $key)) -}}
{{- end -}}
{{- $auth := $store.auth -}}
{{- include "dox-asdlc.checkLogin" (dict "value" (printf "%s.store.auth" $path) "auth" $auth "defaults" (dict "existingSecretKey" "password" "type" "password" "username" "")) -}}
{{- if eq $auth.type "apiKey" -}}
{{- include "dox-asdlc.refuse" (list (or $auth.username (eq $store.kind "redis")) (printf "%s.store.auth.type=apiKey is for Elasticsearch, without store.auth.username" $path)) -}}
{{- else if and $auth.existingSecret (not $auth.username) (eq $store.kind "elasticsearch") -}}
{{- fail (printf "%s.store.auth.username: name the user of the password, or set store.auth.type=apiKey" $path) -}}
{{- end -}}
{{- include "dox-asdlc.checkTls" (dict "value" (printf "%s.store.tls" $path) "tls" $store.tls) -}}
{{- include "dox-asdlc.checkUnused" (dict "value" (printf "%s.autoscaling" $path) "section" .Values.autoscaling "switch" "enabled" "defaults" (dict "minReplicas" 1 "maxReplicas" 3 "targetCPUUtilizationPercentage" 80)) -}}
{{- with .Values.autoscaling -}}
{{- include "dox-asdlc.refuse" (list (and .enabled (ne (int $.Values.replicas) 1)) (printf "%s.replicas would be ignored: %s.autoscaling has minReplicas and maxReplicas" $path $path)) -}}
{{- include "dox-asdlc.refuse" (list (and .enabled (gt (int .minReplicas) (int .maxReplicas))) (printf "%s.autoscaling.minReplicas is more than maxReplicas" $path)) -}}
{{- end -}}
{{- with .Values.ingress -}}
{{- include "dox-asdlc.refuse" (list (and (not .enabled) (or .className .annotations .host .tlsSecret)) (printf "%s.ingress would be ignored: set %s.ingress.enabled=true" $path $path)) -}}
{{- include "dox-asdlc.refuse" (list (and .enabled (not .host)) (printf "%s.ingress.host: name the host" $path)) -}}
{{- end -}}
{{- with .Values.httpRoute -}}
{{- include "dox-asdlc.refuse" (list (and (not .enabled) (or .parentRefs .hostnames)) (printf "%s.httpRoute would be ignored: set %s.httpRoute.enabled=true" $path $path)) -}}
{{- include "dox-asdlc.refuse" (list (and .enabled (not .parentRefs)) (printf "%s.httpRoute.parentRefs: name the Gateway" $path)) -}}
{{- end -}}
{{- $server := .Values.mcpSidecar -}}
{{- $writes := $server.allowWrites -}}
{{- range $server.extraEnv }}{{ if eq .name "MCP_ALLOW_WRITES" }}{{ $writes = ne (.value | default "" | lower) "false" }}{{ end }}{{ end -}}
{{- $login := include "dox-asdlc.mcp-sidecar.hasEnv" (dict "sidecar" $server "name" "^MCP_(AUTH_TOKENS?_FILE|OAUTH_ISSUER|TLS_CLIENT_CA_FILE)$") -}}
{{- include "dox-asdlc.refuse" (list (and (or .Values.ingress.enabled .Values.httpRoute.enabled) $writes (not (or $login $server.authToken.existingSecret $server.oauth.issuer $server.tls.clientCAKey))) (printf "%s would let everybody outside of the cluster change the store's data: set server.authToken.existingSecret or server.oauth, or server.allowWrites=false" $path)) -}}
{{- end -}}
