{{/* redis.conf. The checksum of this alone is in the pod's annotations: another version of the chart restarts nothing. */}}
{{- define "dox-asdlc.redis.config" -}}
{{- $global := .Values.global.redis -}}
{{- if $global.tls.enabled -}}
port 0
tls-port {{ .Values.port }}
tls-cert-file /run/secrets/redis-tls/tls.crt
tls-key-file /run/secrets/redis-tls/tls.key
tls-ca-cert-file /run/secrets/redis-tls/{{ $global.tls.caKey }}
tls-auth-clients no
{{- else -}}
port {{ .Values.port }}
{{- end }}
dir /data
{{- if .Values.acl.existingSecret }}
aclfile /run/secrets/redis-acl/users.acl
{{- else if $global.auth.existingSecret }}
# The password comes from the Secret, by a file in memory that the container writes when it starts.
include /run/redis/auth.conf
{{- else }}
protected-mode no
{{- end }}
{{- $limit := (.Values.resources.limits | default dict).memory }}
{{- if and $limit (int .Values.maxmemoryPercent) }}
maxmemory {{ div (mul (include "dox-asdlc.bytes" $limit | int64) (int64 .Values.maxmemoryPercent)) 100 }}
{{- end }}
# Redis frees big values in a thread beside, so that no other client waits for it.
lazyfree-lazy-eviction yes
lazyfree-lazy-expire yes
lazyfree-lazy-server-del yes
lazyfree-lazy-user-del yes
lazyfree-lazy-user-flush yes
replica-lazy-flush yes
{{- .Values.config | nindent 0 }}
{{- end -}}

{{/* Refuses values that would be ignored, or that would leave Redis open or without clients. */}}
{{- define "dox-asdlc.redis.check" -}}
{{- $global := .Values.global.redis -}}
{{- include "dox-asdlc.checkLogin" (dict "value" "global.redis.auth" "auth" $global.auth "defaults" (dict "existingSecretKey" "redis-password" "username" "")) -}}
{{- include "dox-asdlc.checkLogin" (dict "value" "redis.acl" "auth" .Values.acl "defaults" (dict "existingSecretKey" "users.acl")) -}}
{{- include "dox-asdlc.checkTls" (dict "value" "global.redis.tls" "tls" $global.tls "server" true) -}}
{{- $instead := dict "port" "redis.port" "tls-port" "redis.port and global.redis.tls" "dir" "redis.persistence: the data is in /data" "requirepass" "global.redis.auth.existingSecret" "aclfile" "redis.acl.existingSecret" "user" "redis.acl.existingSecret" -}}
{{- range splitList "\n" .Values.config -}}
{{- $directive := trim . | lower | regexFind "^[a-z-]+" -}}
{{- include "dox-asdlc.refuse" (list (hasKey $instead $directive) (printf "redis.config can't have %s; set %s" $directive (get $instead $directive))) -}}
{{- end -}}
{{- include "dox-asdlc.refuse" (list (and .Values.acl.existingSecret (not $global.auth.existingSecret)) "redis.acl.existingSecret needs a login for the probe, the sidecar and the applications: name one of its users and the password in global.redis.auth") -}}
{{- include "dox-asdlc.refuse" (list (and $global.auth.username (not .Values.acl.existingSecret)) "global.redis.auth.username: this Redis has the default user alone; define others in redis.acl.existingSecret") -}}
{{- end -}}

{{/* The container's start script. A password on the command line could be read in the process list. */}}
{{- define "dox-asdlc.redis.start" -}}
{{- if .Values.acl.existingSecret -}}
# Without a line of its own the default user may do everything, without a password.
if ! grep -q '^user default ' /run/secrets/redis-acl/users.acl; then
  echo "redis.acl: the users file has no user default: add the line 'user default off', or one with a password" >&2
  exit 1
fi
{{ else if .Values.global.redis.auth.existingSecret -}}
[ -n "$REDISCLI_AUTH" ] || { echo "the Secret of global.redis.auth has an empty password" >&2; exit 1; }
umask 077
printf 'requirepass "%s"\n' "$(printf %s "$REDISCLI_AUTH" | sed 's/["\\]/\\&/g')" >/run/redis/auth.conf
{{ end -}}
# The entry point of the image, where it has one, loads the modules of Redis 8.
exec $(command -v docker-entrypoint.sh) redis-server /etc/redis/redis.conf
{{- end -}}

{{/* The pod's own volumes. */}}
{{- define "dox-asdlc.redis.volumes" -}}
- name: config
  configMap:
    name: {{ include "dox-asdlc.fullname" . | quote }}
{{- if .Values.acl.existingSecret }}
- name: acl
  secret:
    secretName: {{ .Values.acl.existingSecret | quote }}
    defaultMode: 0440
    items:
      - key: {{ .Values.acl.existingSecretKey | quote }}
        path: users.acl
{{- else if .Values.global.redis.auth.existingSecret }}
- name: run
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{- if .Values.global.redis.tls.enabled }}
- name: tls
  secret:
    secretName: {{ .Values.global.redis.tls.existingSecret | quote }}
    defaultMode: 0440
{{- end }}
{{ include "dox-asdlc.dataVolume" (dict "root" . "name" "data") }}
{{- end -}}

{{/* Where the container mounts them. */}}
{{- define "dox-asdlc.redis.mounts" -}}
- name: data
  mountPath: /data
- name: config
  mountPath: /etc/redis
  readOnly: true
{{- if .Values.acl.existingSecret }}
- name: acl
  mountPath: /run/secrets/redis-acl
  readOnly: true
{{- else if .Values.global.redis.auth.existingSecret }}
- name: run
  mountPath: /run/redis
{{- end }}
{{- if .Values.global.redis.tls.enabled }}
- name: tls
  mountPath: /run/secrets/redis-tls
  readOnly: true
{{- end }}
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
