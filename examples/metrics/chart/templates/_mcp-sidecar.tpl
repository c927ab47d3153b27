{{/* Where the sidecar finds its store: all that a chart says of a sidecar of its own. */}}
{{- define "dox-asdlc.metrics-example.mcpSidecar.env" -}}
- name: METRICS_HOST
  value: localhost
- name: METRICS_PORT
  value: {{ .Values.port | quote }}
{{- end -}}
