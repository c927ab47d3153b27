{{/* Where the sidecar finds its Redis: in the same pod, with the password of Redis itself. */}}
{{- define "dox-asdlc.redis.mcpSidecar.env" -}}
- name: REDIS_HOST
  value: localhost
- name: REDIS_PORT
  value: {{ .Values.port | quote }}
{{- with .Values.global.redis.auth }}
{{- if .existingSecret }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .existingSecretKey }}
{{- end }}
{{- end }}
{{- end -}}
