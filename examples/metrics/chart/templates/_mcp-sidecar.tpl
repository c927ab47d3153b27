{{/* Where the sidecar finds its store: all that a chart says of a sidecar of its own. */}}
{{- define "dox-asdlc.mcp-sidecar.store.metrics" -}}
- name: METRICS_HOST
  value: {{ .store.host }}
- name: METRICS_PORT
  value: {{ .store.port | quote }}
{{- end -}}
