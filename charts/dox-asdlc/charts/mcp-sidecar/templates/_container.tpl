{{/*
The sidecar of a store's pod. What it is told of its store comes from the template dox-asdlc.CHART.mcpSidecar.env.
*/}}
{{- define "dox-asdlc.mcp-sidecar.container" -}}
{{- $sidecar := .Values.mcpSidecar -}}
{{- /* Absent where an upgrade reuses the values of an older chart. */ -}}
{{- $tls := default dict $sidecar.tls -}}
{{- if $sidecar.enabled -}}
- name: mcp-sidecar
  image: {{ include "dox-asdlc.image" $sidecar.image }}
  imagePullPolicy: {{ $sidecar.image.pullPolicy }}
  ports:
    - name: mcp
      containerPort: {{ $sidecar.port }}
      protocol: TCP
  env:
    - name: MCP_PORT
      value: {{ $sidecar.port | quote }}
    - name: MCP_ALLOW_WRITES
      value: {{ $sidecar.allowWrites | quote }}
    - name: MCP_ALLOWED_HOSTS
      value: {{ include "dox-asdlc.mcp-sidecar.hosts" . | quote }}
    {{- if $sidecar.authToken.existingSecret }}
    - name: {{ ternary "MCP_AUTH_TOKENS_FILE" "MCP_AUTH_TOKEN_FILE" (default false $sidecar.authToken.several) }}
      value: /run/secrets/mcp/token
    {{- end }}
    {{- if $tls.existingSecret }}
    - name: MCP_TLS_CERT_FILE
      value: /run/secrets/mcp-tls/tls.crt
    - name: MCP_TLS_KEY_FILE
      value: /run/secrets/mcp-tls/tls.key
    {{- if $tls.clientCAKey }}
    - name: MCP_TLS_CLIENT_CA_FILE
      value: /run/secrets/mcp-tls/{{ $tls.clientCAKey }}
    {{- end }}
    {{- end }}
    {{- include (printf "dox-asdlc.%s.mcpSidecar.env" .Chart.Name) . | nindent 4 }}
    {{- with $sidecar.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  readinessProbe:
    {{- include "dox-asdlc.mcp-sidecar.probe" (dict "sidecar" $sidecar "times" $sidecar.probes.readiness) | nindent 4 }}
  livenessProbe:
    {{- include "dox-asdlc.mcp-sidecar.probe" (dict "sidecar" $sidecar "times" $sidecar.probes.liveness) | nindent 4 }}
  resources:
    {{- toYaml $sidecar.resources | nindent 4 }}
  securityContext:
    {{- toYaml $sidecar.securityContext | nindent 4 }}
  {{- if or $sidecar.authToken.existingSecret $tls.existingSecret $sidecar.tmp.enabled $sidecar.extraVolumeMounts }}
  volumeMounts:
    {{- if $sidecar.authToken.existingSecret }}
    - name: mcp-auth-token
      mountPath: /run/secrets/mcp
      readOnly: true
    {{- end }}
    {{- if $tls.existingSecret }}
    - name: mcp-tls
      mountPath: /run/secrets/mcp-tls
      readOnly: true
    {{- end }}
    {{- if $sidecar.tmp.enabled }}
    - name: mcp-tmp
      mountPath: /tmp
    {{- end }}
    {{- with $sidecar.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end -}}
{{- end -}}

{{- define "dox-asdlc.mcp-sidecar.probe" -}}
{{- if eq .sidecar.probes.type "http" -}}
httpGet:
  path: /health
  port: {{ .sidecar.port }}
  {{- if (default dict .sidecar.tls).existingSecret }}
  scheme: HTTPS
  {{- end }}
{{- else -}}
tcpSocket:
  port: {{ .sidecar.port }}
{{- end }}
initialDelaySeconds: {{ .times.initialDelaySeconds }}
periodSeconds: {{ .times.periodSeconds }}
timeoutSeconds: {{ .times.timeoutSeconds }}
failureThreshold: {{ .times.failureThreshold }}
{{- with .times.terminationGracePeriodSeconds }}
terminationGracePeriodSeconds: {{ . }}
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

{{/* Volumes of the sidecar, in its store's pod. */}}
{{- define "dox-asdlc.mcp-sidecar.volumes" -}}
{{- $sidecar := .Values.mcpSidecar -}}
{{- if $sidecar.enabled -}}
{{- with $sidecar.authToken -}}
{{- if .existingSecret -}}
- name: mcp-auth-token
  secret:
    secretName: {{ .existingSecret }}
    # The container's user is not root: its group, by fsGroup, may read.
    defaultMode: 0440
    items:
      - key: {{ .existingSecretKey }}
        path: token
{{- end -}}
{{- end -}}
{{- with (default dict $sidecar.tls).existingSecret }}
- name: mcp-tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end -}}
{{- if $sidecar.tmp.enabled }}
- name: mcp-tmp
  emptyDir:
    medium: Memory
    sizeLimit: {{ $sidecar.tmp.sizeLimit }}
{{- end }}
{{- with $sidecar.extraVolumes }}
{{ toYaml . }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Annotations of the pod by which the sidecar's own metrics are found. */}}
{{- define "dox-asdlc.mcp-sidecar.annotations" -}}
{{- $sidecar := .Values.mcpSidecar -}}
{{- if $sidecar.enabled -}}
{{- $scheme := empty (default dict $sidecar.tls).existingSecret | ternary "" "https" -}}
{{- include "dox-asdlc.prometheusAnnotations" (dict "enabled" $sidecar.prometheus.enabled "port" $sidecar.port "path" $sidecar.prometheus.path "scheme" $scheme) -}}
{{- end -}}
{{- end -}}
