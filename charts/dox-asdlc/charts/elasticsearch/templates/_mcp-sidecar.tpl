{{/* Where the sidecar finds its Elasticsearch: in the same pod, with the login of the charts' other clients. */}}
{{- define "elasticsearch.mcpSidecar.env" -}}
- name: ES_HOST
  value: localhost
- name: ES_PORT
  value: {{ .Values.port | quote }}
{{- with .Values.global.elasticsearch.auth }}
{{- if .existingSecret }}
- name: ES_USERNAME
  value: {{ .username | quote }}
- name: ES_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .existingSecretKey }}
{{- end }}
{{- end }}
{{- end -}}
