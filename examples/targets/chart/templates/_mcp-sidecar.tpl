{{/* Where the sidecar finds its store: all that a chart says of a sidecar of its own. */}}
{{- define "dox-asdlc.mcp-sidecar.store.vmagent" -}}
- name: VMAGENT_HOST
  value: {{ .store.host }}
- name: VMAGENT_PORT
  value: {{ .store.port | quote }}
{{- end -}}
