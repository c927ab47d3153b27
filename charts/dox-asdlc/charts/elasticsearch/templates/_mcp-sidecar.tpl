{{/* Where the sidecar finds its Elasticsearch: in the same pod, with the login of the charts' other clients unless it has its own. */}}
{{- define "dox-asdlc.elasticsearch.mcpSidecar.env" -}}
{{- $own := false -}}
{{- range .Values.mcpSidecar.extraEnv -}}
{{- $own = or $own (regexMatch "^ES_(API_KEY|BEARER_TOKEN|PASSWORD)(_FILE)?$" .name) -}}
{{- end -}}
- name: ES_HOST
  value: localhost
- name: ES_PORT
  value: {{ .Values.port | quote }}
{{- with .Values.global.elasticsearch.auth }}
{{- if and .existingSecret (not $own) }}
- name: ES_USERNAME
  value: {{ .username | quote }}
- name: ES_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret | quote }}
      key: {{ .existingSecretKey | quote }}
{{- end }}
{{- end }}
{{- end -}}
