{{/*
What the store's own Service gets with the sidecar on. A pod is ready only when all its containers are, so a sick sidecar
would take the store's ports out of service: not-ready pods are published too. docs/architecture.md weighs the other ways.
*/}}
{{- define "dox-asdlc.mcp-sidecar.storeService" -}}
{{- if .Values.mcpSidecar.enabled -}}
publishNotReadyAddresses: true
{{- end -}}
{{- end -}}

{{- define "dox-asdlc.mcp-sidecar.storeServicePort" -}}
{{- if .Values.mcpSidecar.enabled -}}
- name: mcp
  port: {{ .Values.mcpSidecar.port }}
  targetPort: mcp
  protocol: TCP
{{- end -}}
{{- end -}}

{{/* The sidecar's own Service: it leads to a sidecar only while its pod is ready. Clients should use this one. */}}
{{- define "dox-asdlc.mcp-sidecar.service" -}}
{{- if .Values.mcpSidecar.enabled -}}
{{- $labels := printf "%s\napp.kubernetes.io/component: mcp-sidecar" (include "dox-asdlc.labels" .) -}}
{{- include "dox-asdlc.service" (dict "root" . "name" (include "dox-asdlc.mcp-sidecar.name" .) "port" .Values.mcpSidecar.port "portName" "mcp" "labels" $labels) -}}
{{- end -}}
{{- end -}}
