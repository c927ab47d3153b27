{{/* Where the sidecar finds its Redis: in the same pod, with the password of Redis itself unless it has its own. */}}
{{- define "dox-asdlc.redis.mcpSidecar.env" -}}
{{- $own := false -}}
{{- range .Values.mcpSidecar.extraEnv -}}
{{- $own = or $own (regexMatch "^REDIS_PASSWORD(_FILE)?$" .name) -}}
{{- end -}}
- name: REDIS_HOST
  value: localhost
- name: REDIS_PORT
  value: {{ .Values.port | quote }}
{{- with .Values.global.redis.auth }}
{{- if and .existingSecret (not $own) }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret | quote }}
      key: {{ .existingSecretKey | quote }}
{{- end }}
{{- end }}
{{- end -}}
