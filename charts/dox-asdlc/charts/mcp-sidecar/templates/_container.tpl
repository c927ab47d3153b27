{{/*
The container of an MCP server, from {root, store, services}: the context of a chart, whose .Values.mcpSidecar are the values of
this library; the store, as in _store.tpl; and the names of the Services that lead to the server, which are those of the library's
templates where they are left out.
*/}}
{{- define "dox-asdlc.mcp-sidecar.container" -}}
{{- $store := .store -}}
{{- $services := .services -}}
{{- with .root -}}
{{- $sidecar := .Values.mcpSidecar -}}
{{- if $sidecar.enabled -}}
{{- include "dox-asdlc.mcp-sidecar.check" (dict "root" . "store" $store) -}}
{{- $value := include "dox-asdlc.mcp-sidecar.path" . -}}
- name: {{ empty .ServerPath | ternary "mcp-sidecar" "mcp-server" }}
  image: {{ include "dox-asdlc.mcp-sidecar.image" (dict "root" . "image" $sidecar.image "kind" $store.kind) | quote }}
  imagePullPolicy: {{ $sidecar.image.pullPolicy }}
  ports:
    - name: mcp
      containerPort: {{ $sidecar.port }}
      protocol: TCP
  env:
    {{- $own := include "dox-asdlc.mcp-sidecar.env" (dict "root" . "store" $store "services" $services) }}
    {{- include "dox-asdlc.merge" (dict "own" $own "extra" $sidecar.extraEnv "key" "name" "value" (printf "%s.extraEnv" $value)) | nindent 4 }}
  readinessProbe:
    {{- include "dox-asdlc.mcp-sidecar.probe" (dict "sidecar" $sidecar "times" $sidecar.probes.readiness) | nindent 4 }}
  livenessProbe:
    {{- include "dox-asdlc.mcp-sidecar.probe" (dict "sidecar" $sidecar "times" $sidecar.probes.liveness) | nindent 4 }}
  {{- include "dox-asdlc.bounds" (dict "path" $value "resources" $sidecar.resources "securityContext" $sidecar.securityContext) | nindent 2 }}
  {{- $mounts := include "dox-asdlc.mcp-sidecar.volumeMounts" (dict "sidecar" $sidecar "store" $store) }}
  {{- with include "dox-asdlc.merge" (dict "own" $mounts "extra" $sidecar.extraVolumeMounts "key" "mountPath" "value" (printf "%s.extraVolumeMounts" $value)) }}
  volumeMounts:
    {{- . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The image's reference, from {root, image, kind}: that of this project where the values name no repository. */}}
{{- define "dox-asdlc.mcp-sidecar.image" -}}
{{- $image := deepCopy .image -}}
{{- $own := get (include "dox-asdlc.mcp-sidecar.images" . | fromYaml) .kind | default (dict "repository" (printf "mcp/%s" .kind) "digest" "") -}}
{{- if not $image.repository -}}
{{- $_ := set $image "repository" $own.repository -}}
{{- $_ := set $image "digest" ($image.digest | default $own.digest) -}}
{{- end -}}
{{- /* The digest of the release is that of the tag latest. */ -}}
{{- if and (ne $image.tag "latest") (eq $image.digest $own.digest) }}{{ $_ := set $image "digest" "" }}{{ end -}}
{{- include "dox-asdlc.image" (dict "root" .root "image" $image) -}}
{{- end -}}

{{/* The word https where the server, from its values, has a certificate; empty where it speaks HTTP. */}}
{{- define "dox-asdlc.mcp-sidecar.https" -}}
{{- if or .tls.existingSecret (include "dox-asdlc.mcp-sidecar.hasEnv" (dict "sidecar" . "name" "^MCP_TLS_CERT_FILE$")) }}https{{ end -}}
{{- end -}}

{{/* Path of the library's values, for messages. */}}
{{- define "dox-asdlc.mcp-sidecar.path" -}}
{{- .ServerPath | default (printf "%s.mcpSidecar" .Chart.Name) -}}
{{- end -}}

{{/* Refuses values of the server that would be ignored, or that the chart has to know by another name; from {root, store}. */}}
{{- define "dox-asdlc.mcp-sidecar.check" -}}
{{- $sidecar := .root.Values.mcpSidecar -}}
{{- $value := include "dox-asdlc.mcp-sidecar.path" .root -}}
{{- $alone := .root.ServerPath -}}
{{- include "dox-asdlc.checkLogin" (dict "value" (printf "%s.authToken" $value) "auth" $sidecar.authToken "defaults" (dict "existingSecretKey" "token" "several" false)) -}}
{{- include "dox-asdlc.checkLogin" (dict "value" (printf "%s.tls" $value) "auth" $sidecar.tls "defaults" (dict "clientCAKey" "")) -}}
{{- with $sidecar.oauth -}}
{{- include "dox-asdlc.refuse" (list (and (or .issuer .resource .jwksUrl) (not (and .issuer .resource .jwksUrl))) (printf "%s.oauth: set issuer, resource and jwksUrl, or none of them" $value)) -}}
{{- include "dox-asdlc.refuse" (list (and .issuer $sidecar.authToken.existingSecret) (printf "%s.oauth.issuer and %s.authToken.existingSecret are both set: set one of them" $value $value)) -}}
{{- end -}}
{{- range $key, $kind := dict "keyPrefixes" "redis" "indexPatterns" "elasticsearch" -}}
{{- include "dox-asdlc.refuse" (list (and (get $sidecar $key) (ne $.store.kind $kind)) (printf "%s.%s is for servers of %s, and would be ignored" $value $key $kind)) -}}
{{- end -}}
{{- include "dox-asdlc.checkUnused" (dict "value" (printf "%s.tmp" $value) "section" $sidecar.tmp "switch" "enabled" "defaults" (dict "sizeLimit" "16Mi")) -}}
{{- /* A variable of the user's takes the place of the chart's, which is made from a value. */ -}}
{{- $settings := dict "allowWrites" "^MCP_ALLOW_WRITES$" "logLevel" "^MCP_LOG_LEVEL$" "tools" "^MCP_TOOLS$" "toolsExcept" "^MCP_TOOLS_EXCEPT$" "keyPrefixes" "^MCP_KEY_PREFIXES$" "indexPatterns" "^MCP_INDEX_PATTERNS$" "rateLimitPerMinute" "^MCP_RATE_LIMIT_PER_MINUTE$" "allowedHosts" "^MCP_ALLOWED_HOSTS$" "authToken.existingSecret" "^MCP_AUTH_TOKENS?(_FILE)?$" "oauth.issuer" "^MCP_OAUTH_(ISSUER|RESOURCE|JWKS_URL)$" "tls.existingSecret" "^MCP_TLS_(CERT|KEY)_FILE$" "tls.clientCAKey" "^MCP_TLS_CLIENT_CA_FILE$" -}}
{{- range $key, $name := $settings -}}
{{- $set := $sidecar -}}
{{- range splitList "." $key }}{{ $set = get $set . }}{{ end -}}
{{- $instead := include "dox-asdlc.mcp-sidecar.hasEnv" (dict "sidecar" $sidecar "name" $name) -}}
{{- include "dox-asdlc.refuse" (list (and $instead (not (has (toString $set) (list "" "false" "0" "[]")))) (printf "%s.%s would be ignored: %s.extraEnv has %s" $value $key $value $instead)) -}}
{{- end -}}
{{- with $sidecar.networkPolicy -}}
{{- include "dox-asdlc.refuse" (list (and (not .enabled) (or .from .storeFrom .storeFromAll)) (printf "%s.networkPolicy has from, storeFrom or storeFromAll, and would be ignored: set %s.networkPolicy.enabled=true" $value $value)) -}}
{{- if $alone -}}
{{- include "dox-asdlc.refuse" (list (or .storeFrom .storeFromAll) (printf "%s.networkPolicy.storeFrom and storeFromAll are for sidecars, and would be ignored: no store is in this pod" $value)) -}}
{{- else if and .enabled (not .storeFrom) (not .storeFromAll) -}}
{{- fail (printf "%s.networkPolicy.enabled: the policy also covers the store's ports. Name the peers that may reach these in %s.networkPolicy.storeFrom, or set %s.networkPolicy.storeFromAll=true to admit everybody" $value $value $value) -}}
{{- end -}}
{{- include "dox-asdlc.refuse" (list (and .storeFrom .storeFromAll) (printf "%s.networkPolicy.storeFrom would be ignored: storeFromAll=true admits everybody" $value)) -}}
{{- end -}}
{{- range $sidecar.extraEnv -}}
{{- include "dox-asdlc.refuse" (list (eq .name "MCP_PORT") (printf "%s.extraEnv can't have MCP_PORT: set %s.port" $value $value)) -}}
{{- end -}}
{{- end -}}

{{/* What the chart tells the server, from {root, store, services}. */}}
{{- define "dox-asdlc.mcp-sidecar.env" -}}
{{- $sidecar := .root.Values.mcpSidecar -}}
- name: MCP_PORT
  value: {{ $sidecar.port | quote }}
{{- with .root.Values.global }}
{{- if or (has "IPv6" (.ipFamilies | default list)) (contains "DualStack" (.ipFamilyPolicy | default "")) }}
- name: MCP_HOST
  value: "::"
{{- end }}
{{- end }}
- name: MCP_ALLOW_WRITES
  value: {{ $sidecar.allowWrites | quote }}
- name: MCP_ALLOWED_HOSTS
  value: {{ include "dox-asdlc.mcp-sidecar.hosts" . | quote }}
{{- with $sidecar.logLevel }}
- name: MCP_LOG_LEVEL
  value: {{ . }}
{{- end }}
{{- with $sidecar.tools }}
- name: MCP_TOOLS
  value: {{ join "," . | quote }}
{{- end }}
{{- with $sidecar.toolsExcept }}
- name: MCP_TOOLS_EXCEPT
  value: {{ join "," . | quote }}
{{- end }}
{{- with int $sidecar.rateLimitPerMinute }}
- name: MCP_RATE_LIMIT_PER_MINUTE
  value: {{ . | quote }}
{{- end }}
{{- if $sidecar.authToken.existingSecret }}
- name: {{ ternary "MCP_AUTH_TOKENS_FILE" "MCP_AUTH_TOKEN_FILE" $sidecar.authToken.several | quote }}
  value: /run/secrets/mcp/token
{{- end }}
{{- with $sidecar.oauth }}
{{- if .issuer }}
- name: MCP_OAUTH_ISSUER
  value: {{ .issuer | quote }}
- name: MCP_OAUTH_RESOURCE
  value: {{ .resource | quote }}
- name: MCP_OAUTH_JWKS_URL
  value: {{ .jwksUrl | quote }}
{{- end }}
{{- end }}
{{- with $sidecar.tls }}
{{- if .existingSecret }}
- name: MCP_TLS_CERT_FILE
  value: /run/secrets/mcp-tls/tls.crt
- name: MCP_TLS_KEY_FILE
  value: /run/secrets/mcp-tls/tls.key
{{- with .clientCAKey }}
- name: MCP_TLS_CLIENT_CA_FILE
  value: /run/secrets/mcp-tls/{{ . }}
{{- end }}
{{- end }}
{{- end }}
{{ include (printf "dox-asdlc.mcp-sidecar.store.%s" .store.kind) (dict "root" .root "store" .store "sidecar" $sidecar) }}
{{- end -}}

{{- define "dox-asdlc.mcp-sidecar.volumeMounts" -}}
{{- $sidecar := .sidecar -}}
{{- if (.store.tls | default dict).existingSecret }}
- name: mcp-store
  mountPath: /run/secrets/mcp-store
  readOnly: true
{{- end }}
{{- if $sidecar.authToken.existingSecret }}
- name: mcp-auth-token
  mountPath: /run/secrets/mcp
  readOnly: true
{{- end }}
{{- if $sidecar.tls.existingSecret }}
- name: mcp-tls
  mountPath: /run/secrets/mcp-tls
  readOnly: true
{{- end }}
{{- if $sidecar.tmp.enabled }}
- name: mcp-tmp
  mountPath: /tmp
{{- end }}
{{- end -}}

{{- define "dox-asdlc.mcp-sidecar.probe" -}}
{{- if eq .sidecar.probes.type "http" -}}
httpGet:
  path: /health
  port: {{ .sidecar.port }}
  {{- with include "dox-asdlc.mcp-sidecar.https" .sidecar }}
  scheme: {{ upper . }}
  {{- end }}
{{- else -}}
tcpSocket:
  port: {{ .sidecar.port }}
{{- end }}
initialDelaySeconds: {{ .times.initialDelaySeconds | int }}
periodSeconds: {{ .times.periodSeconds | int }}
timeoutSeconds: {{ .times.timeoutSeconds | int }}
failureThreshold: {{ .times.failureThreshold | int }}
{{- with .times.terminationGracePeriodSeconds }}
terminationGracePeriodSeconds: {{ . | int }}
{{- end }}
{{- end -}}

{{/* Names in `Host` that the server answers, from {root, services}: those of the Services that lead to it, and more from values. */}}
{{- define "dox-asdlc.mcp-sidecar.hosts" -}}
{{- $hosts := list -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $sidecar := .root.Values.mcpSidecar -}}
{{- range $name := .services | default (list (include "dox-asdlc.fullname" .root) (include "dox-asdlc.mcp-sidecar.name" .root)) -}}
{{- range $suffix := list "" (printf ".%s" $namespace) (printf ".%s.svc" $namespace) (printf ".%s.svc.%s" $namespace $sidecar.clusterDomain) -}}
{{- $hosts = append $hosts (printf "%s%s" $name $suffix) -}}
{{- end -}}
{{- end -}}
{{- concat $hosts $sidecar.allowedHosts | uniq | join "," -}}
{{- end -}}

{{- define "dox-asdlc.mcp-sidecar.name" -}}
{{- include "dox-asdlc.fullname" . }}{{ if not .ServerPath }}-mcp{{ end -}}
{{- end -}}

{{/*
The pod's volumes, from {root, store, own}: `own`, YAML of the pod's others, and with the server on those of the server. A Secret or
ConfigMap that is not there would keep the whole pod from starting. Beside a store it only keeps the sidecar from starting.
*/}}
{{- define "dox-asdlc.mcp-sidecar.volumes" -}}
{{- $own := .own -}}
{{- $store := .store | default dict -}}
{{- with .root -}}
{{- $sidecar := .Values.mcpSidecar -}}
{{- if $sidecar.enabled -}}
{{- $path := printf "%s.extraVolumes" (include "dox-asdlc.mcp-sidecar.path" .) -}}
{{- $mine := printf "%s\n%s" (include "dox-asdlc.mcp-sidecar.storeVolume" $store.tls) (include "dox-asdlc.mcp-sidecar.ownVolumes" .) -}}
{{- $mine = include "dox-asdlc.merge" (dict "own" $mine "extra" $sidecar.extraVolumes "key" "name" "value" $path) | fromYamlArray -}}
{{- /* Only the server's own volumes may be replaced: the others are the store's. */ -}}
{{- $others := empty (.Values.persistence | default dict).enabled | ternary list (list "data") -}}
{{- range $own | fromYamlArray }}{{ $others = append $others .name }}{{ end -}}
{{- include "dox-asdlc.distinct" (dict "value" (printf "%s and %s.extraVolumes" $path .Chart.Name) "key" "name" "entries" $mine "own" $others "said" "is that of a volume of the store and of one of its sidecar") -}}
{{- $mounted := list -}}
{{- range concat $mine (.Values.extraVolumes | default list) }}{{ $mounted = append $mounted .name }}{{ end -}}
{{- range $sidecar.extraVolumeMounts -}}
{{- include "dox-asdlc.refuse" (list (not (has .name $mounted)) (printf "%sMounts: the volume %s is not one of %s, and those of the store are its own" (trimSuffix "s" $path) .name $path)) -}}
{{- end -}}
{{- if not .ServerPath -}}
{{- range $volume := $mine -}}
{{- range $source := concat (list $volume) (dig "projected" "sources" list $volume) -}}
{{- range list "secret" "configMap" }}{{ with get $source . }}{{ $_ := set . "optional" (dig "optional" true .) }}{{ end }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with concat (fromYamlArray $own) $mine }}{{ toYaml . }}{{ end -}}
{{- else -}}
{{- $own -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "dox-asdlc.mcp-sidecar.ownVolumes" -}}
{{- $sidecar := .Values.mcpSidecar -}}
{{- with $sidecar.authToken -}}
{{- if .existingSecret -}}
- name: mcp-auth-token
  secret:
    secretName: {{ .existingSecret | quote }}
    # The container's user is not root: its group, by fsGroup, may read.
    defaultMode: 0440
    items:
      - key: {{ .existingSecretKey | quote }}
        path: token
{{- end -}}
{{- end -}}
{{- with $sidecar.tls.existingSecret }}
- name: mcp-tls
  secret:
    secretName: {{ . | quote }}
    defaultMode: 0440
{{- end -}}
{{- if $sidecar.tmp.enabled }}
- name: mcp-tmp
  emptyDir:
    medium: Memory
    sizeLimit: {{ $sidecar.tmp.sizeLimit }}
{{- end }}
{{- end -}}

{{/* Annotations of the pod by which the sidecar's own metrics are found. */}}
{{- define "dox-asdlc.mcp-sidecar.annotations" -}}
{{- $sidecar := .Values.mcpSidecar -}}
{{- if $sidecar.enabled -}}
{{- include "dox-asdlc.prometheusAnnotations" (dict "enabled" $sidecar.prometheus.enabled "port" $sidecar.port "path" "/metrics" "scheme" (include "dox-asdlc.mcp-sidecar.https" $sidecar)) -}}
{{- end -}}
{{- end -}}

{{/* The sidecar's port by the name of its value, as YAML, for the check that a pod's ports differ. */}}
{{- define "dox-asdlc.mcp-sidecar.ports" -}}
{{- if .Values.mcpSidecar.enabled -}}
{{ .Chart.Name }}.mcpSidecar.port: {{ .Values.mcpSidecar.port }}
{{- end -}}
{{- end -}}
