{{/*
What a server is told of its store, from {root, store, sidecar}; a template for each kind of store. `store` is {kind, host, port},
with auth {type, existingSecret, existingSecretKey, username} and tls {enabled, existingSecret, caKey} where there are some. A login
in extraEnv takes the place of that one.
*/}}
{{- define "dox-asdlc.mcp-sidecar.store.redis" -}}
- name: REDIS_HOST
  value: {{ .store.host | quote }}
- name: REDIS_PORT
  value: {{ .store.port | quote }}
{{- with .store.tls }}
{{- if .enabled }}
- name: REDIS_TLS
  value: "true"
{{- if .existingSecret }}
- name: REDIS_CA_FILE
  value: /run/secrets/mcp-store/{{ .caKey }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .store.auth.existingSecret (not (include "dox-asdlc.mcp-sidecar.hasEnv" (dict "sidecar" .sidecar "name" "^REDIS_PASSWORD(_FILE)?$"))) }}
{{- with .store.auth.username }}
- name: REDIS_USERNAME
  value: {{ . | quote }}
{{- end }}
{{ include "dox-asdlc.mcp-sidecar.secretEnv" (dict "name" "REDIS_PASSWORD" "auth" .store.auth) }}
{{- end }}
{{- with .sidecar.keyPrefixes }}
- name: MCP_KEY_PREFIXES
  value: {{ join "," . | quote }}
{{- end }}
{{- end -}}

{{- define "dox-asdlc.mcp-sidecar.store.elasticsearch" -}}
- name: ES_HOST
  value: {{ .store.host | quote }}
- name: ES_PORT
  value: {{ .store.port | quote }}
{{- with .store.tls }}
{{- if .enabled }}
- name: ES_SCHEME
  value: https
{{- if .existingSecret }}
- name: ES_CA_FILE
  value: /run/secrets/mcp-store/{{ .caKey }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .store.auth.existingSecret (not (include "dox-asdlc.mcp-sidecar.hasEnv" (dict "sidecar" .sidecar "name" "^ES_(API_KEY|BEARER_TOKEN|PASSWORD)(_FILE)?$"))) }}
{{- if eq (.store.auth.type | default "password") "apiKey" }}
{{ include "dox-asdlc.mcp-sidecar.secretEnv" (dict "name" "ES_API_KEY" "auth" .store.auth) }}
{{- else }}
- name: ES_USERNAME
  value: {{ .store.auth.username | quote }}
{{ include "dox-asdlc.mcp-sidecar.secretEnv" (dict "name" "ES_PASSWORD" "auth" .store.auth) }}
{{- end }}
{{- end }}
{{- with .sidecar.indexPatterns }}
- name: MCP_INDEX_PATTERNS
  value: {{ join "," . | quote }}
{{- end }}
{{- end -}}

{{- define "dox-asdlc.mcp-sidecar.secretEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .auth.existingSecret | quote }}
      key: {{ .auth.existingSecretKey | quote }}
{{- end -}}

{{/* Whether extraEnv has a name that matches, from {sidecar, name}. */}}
{{- define "dox-asdlc.mcp-sidecar.hasEnv" -}}
{{- range .sidecar.extraEnv -}}
{{- if regexMatch $.name .name -}}true{{- end -}}
{{- end -}}
{{- end -}}
