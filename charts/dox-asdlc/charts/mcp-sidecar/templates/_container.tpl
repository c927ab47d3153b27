{{/*
The sidecar of a store's pod. What it is told of its store comes from the template dox-asdlc.CHART.mcpSidecar.env.
*/}}
{{- define "dox-asdlc.mcp-sidecar.container" -}}
{{- $sidecar := .Values.mcpSidecar -}}
{{- if $sidecar.enabled -}}
{{- include "dox-asdlc.mcp-sidecar.check" . -}}
{{- $value := printf "%s.mcpSidecar" .Chart.Name -}}
- name: mcp-sidecar
  image: {{ include "dox-asdlc.image" (dict "root" . "image" $sidecar.image) | quote }}
  imagePullPolicy: {{ $sidecar.image.pullPolicy }}
  ports:
    - name: mcp
      containerPort: {{ $sidecar.port }}
      protocol: TCP
  env:
    {{- include "dox-asdlc.merge" (dict "own" (include "dox-asdlc.mcp-sidecar.env" .) "extra" $sidecar.extraEnv "key" "name" "value" (printf "%s.extraEnv" $value)) | nindent 4 }}
  readinessProbe:
    {{- include "dox-asdlc.mcp-sidecar.probe" (dict "sidecar" $sidecar "times" $sidecar.probes.readiness) | nindent 4 }}
  livenessProbe:
    {{- include "dox-asdlc.mcp-sidecar.probe" (dict "sidecar" $sidecar "times" $sidecar.probes.liveness) | nindent 4 }}
  resources:
    {{- toYaml $sidecar.resources | nindent 4 }}
  securityContext:
    {{- toYaml $sidecar.securityContext | nindent 4 }}
  {{- with include "dox-asdlc.merge" (dict "own" (include "dox-asdlc.mcp-sidecar.volumeMounts" .) "extra" $sidecar.extraVolumeMounts "key" "mountPath" "value" (printf "%s.extraVolumeMounts" $value)) }}
  volumeMounts:
    {{- . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* Refuses values of the sidecar that would be ignored, or that the chart has to know by another name. */}}
{{- define "dox-asdlc.mcp-sidecar.check" -}}
{{- $sidecar := .Values.mcpSidecar -}}
{{- $value := printf "%s.mcpSidecar" .Chart.Name -}}
{{- include "dox-asdlc.checkLogin" (dict "value" (printf "%s.authToken" $value) "auth" $sidecar.authToken "defaults" (dict "existingSecretKey" "token" "several" false)) -}}
{{- include "dox-asdlc.checkLogin" (dict "value" (printf "%s.tls" $value) "auth" $sidecar.tls "defaults" (dict "clientCAKey" "")) -}}
{{- with $sidecar.networkPolicy -}}
{{- if and (not .enabled) (or .from .storeFrom .storeFromAll) -}}
{{- fail (printf "%s.networkPolicy has from, storeFrom or storeFromAll, and would be ignored: set %s.networkPolicy.enabled=true" $value $value) -}}
{{- end -}}
{{- if and .enabled (not .storeFrom) (not .storeFromAll) -}}
{{- fail (printf "%s.networkPolicy.enabled: a policy on the pod is one on the store's ports as well. Name in %s.networkPolicy.storeFrom who reaches those, beside the pods of this release; or set %s.networkPolicy.storeFromAll=true for everybody, even where another policy closes them" $value $value $value) -}}
{{- end -}}
{{- if and .storeFrom .storeFromAll -}}
{{- fail (printf "%s.networkPolicy.storeFrom would be ignored: storeFromAll=true admits everybody" $value) -}}
{{- end -}}
{{- end -}}
{{- range $sidecar.extraEnv -}}
{{- if eq .name "MCP_PORT" -}}
{{- fail (printf "%s.extraEnv can't have MCP_PORT: set %s.port" $value $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What the chart tells the sidecar. */}}
{{- define "dox-asdlc.mcp-sidecar.env" -}}
{{- $sidecar := .Values.mcpSidecar -}}
- name: MCP_PORT
  value: {{ $sidecar.port | quote }}
- name: MCP_ALLOW_WRITES
  value: {{ $sidecar.allowWrites | quote }}
- name: MCP_ALLOWED_HOSTS
  value: {{ include "dox-asdlc.mcp-sidecar.hosts" . | quote }}
{{- if $sidecar.authToken.existingSecret }}
- name: {{ ternary "MCP_AUTH_TOKENS_FILE" "MCP_AUTH_TOKEN_FILE" $sidecar.authToken.several | quote }}
  value: /run/secrets/mcp/token
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
{{ include (printf "dox-asdlc.%s.mcpSidecar.env" .Chart.Name) . }}
{{- end -}}

{{- define "dox-asdlc.mcp-sidecar.volumeMounts" -}}
{{- $sidecar := .Values.mcpSidecar -}}
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
  {{- if .sidecar.tls.existingSecret }}
  scheme: HTTPS
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

{{/* Names in `Host` that the sidecar answers: those of the Services that lead to it, and more from values. */}}
{{- define "dox-asdlc.mcp-sidecar.hosts" -}}
{{- $hosts := list -}}
{{- range $name := list (include "dox-asdlc.fullname" .) (include "dox-asdlc.mcp-sidecar.name" .) -}}
{{- range $suffix := list "" (printf ".%s" $.Release.Namespace) (printf ".%s.svc" $.Release.Namespace) (printf ".%s.svc.%s" $.Release.Namespace $.Values.mcpSidecar.clusterDomain) -}}
{{- $hosts = append $hosts (printf "%s%s" $name $suffix) -}}
{{- end -}}
{{- end -}}
{{- concat $hosts .Values.mcpSidecar.allowedHosts | join "," -}}
{{- end -}}

{{- define "dox-asdlc.mcp-sidecar.name" -}}
{{- printf "%s-mcp" (include "dox-asdlc.fullname" .) -}}
{{- end -}}

{{/* The pod's volumes, from {root, own}: `own`, YAML of the store's, and with the sidecar on those of the sidecar. */}}
{{- define "dox-asdlc.mcp-sidecar.volumes" -}}
{{- $own := .own -}}
{{- with .root -}}
{{- $sidecar := .Values.mcpSidecar -}}
{{- if $sidecar.enabled -}}
{{- range $sidecar.extraVolumes -}}
{{- if and (eq .name "data") $.root.Values.persistence $.root.Values.persistence.enabled -}}
{{- fail (printf "%s.mcpSidecar.extraVolumes can't have the name data: it is that of the store's claim" $.root.Chart.Name) -}}
{{- end -}}
{{- end -}}
{{- $own = printf "%s\n%s" $own (include "dox-asdlc.mcp-sidecar.ownVolumes" .) -}}
{{- include "dox-asdlc.merge" (dict "own" $own "extra" $sidecar.extraVolumes "key" "name" "value" (printf "%s.mcpSidecar.extraVolumes" .Chart.Name)) -}}
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
{{- $scheme := empty $sidecar.tls.existingSecret | ternary "" "https" -}}
{{- include "dox-asdlc.prometheusAnnotations" (dict "enabled" $sidecar.prometheus.enabled "port" $sidecar.port "path" $sidecar.prometheus.path "scheme" $scheme) -}}
{{- end -}}
{{- end -}}

{{/* The sidecar's port by the name of its value, as YAML, for the check that a pod's ports differ. */}}
{{- define "dox-asdlc.mcp-sidecar.ports" -}}
{{- if .Values.mcpSidecar.enabled -}}
{{ .Chart.Name }}.mcpSidecar.port: {{ .Values.mcpSidecar.port }}
{{- end -}}
{{- end -}}
