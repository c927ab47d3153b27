{{/* redis.conf. The checksum of this alone is in the pod's annotations: another version of the chart restarts nothing. */}}
{{- define "dox-asdlc.redis.config" -}}
port {{ .Values.port }}
dir /data
{{- if .Values.global.redis.auth.existingSecret }}
# The password comes from the Secret, by a file in memory that the container writes when it starts.
include /run/redis/auth.conf
{{- else }}
protected-mode no
{{- end }}
{{- $limit := (.Values.resources.limits | default dict).memory }}
{{- if and $limit (int .Values.maxmemoryPercent) }}
maxmemory {{ div (mul (include "dox-asdlc.bytes" $limit | int64) (int64 .Values.maxmemoryPercent)) 100 }}
{{- end }}
{{- .Values.config | nindent 0 }}
{{- end -}}

{{/* The pod's own volumes. */}}
{{- define "dox-asdlc.redis.volumes" -}}
- name: config
  configMap:
    name: {{ include "dox-asdlc.fullname" . | quote }}
{{- if .Values.global.redis.auth.existingSecret }}
- name: run
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{ include "dox-asdlc.dataVolume" (dict "root" . "name" "data") }}
{{- end -}}

{{/* The container's environment. */}}
{{- define "dox-asdlc.redis.env" -}}
{{- with .Values.global.redis.auth -}}
{{- if .existingSecret -}}
- name: REDISCLI_AUTH
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret | quote }}
      key: {{ .existingSecretKey | quote }}
{{- end -}}
{{- end -}}
{{- end -}}
