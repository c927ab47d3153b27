{{/*
What a server is told of its store, from {root, store, sidecar}; a template for each kind of store. `store` is {kind, port},
with host (localhost), auth {type, existingSecret, existingSecretKey, username} and tls {enabled, existingSecret, caKey} if need be. An address
or a login in extraEnv takes the place of that one.
*/}}
{{- define "dox-asdlc.mcp-sidecar.store.redis" -}}
{{- $auth := .store.auth | default dict -}}
{{- $url := include "dox-asdlc.mcp-sidecar.hasEnv" (dict "sidecar" .sidecar "name" "^REDIS_URL(_FILE)?$") -}}
{{- if not $url -}}
- name: REDIS_HOST
  value: {{ .store.host | default "localhost" | quote }}
- name: REDIS_PORT
  value: {{ .store.port | quote }}
{{- end }}
{{- with .store.tls }}
{{- if .enabled }}
{{- if not $url }}
- name: REDIS_TLS
  value: "true"
{{- end }}
{{- if .existingSecret }}
- name: REDIS_CA_FILE
  value: /run/secrets/mcp-store/{{ .caKey }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $auth.existingSecret (not (include "dox-asdlc.mcp-sidecar.hasEnv" (dict "sidecar" .sidecar "name" "^REDIS_(PASSWORD|URL)(_FILE)?$"))) }}
{{- with $auth.username }}
- name: REDIS_USERNAME
  value: {{ . | quote }}
{{- end }}
{{ include "dox-asdlc.mcp-sidecar.secretEnv" (dict "name" "REDIS_PASSWORD" "auth" $auth) }}
{{- end }}
{{- with .sidecar.keyPrefixes }}
- name: MCP_KEY_PREFIXES
  value: {{ join "," . | quote }}
{{- end }}
{{- end -}}

{{- define "dox-asdlc.mcp-sidecar.store.elasticsearch" -}}
{{- $auth := .store.auth | default dict -}}
{{- if not (include "dox-asdlc.mcp-sidecar.hasEnv" (dict "sidecar" .sidecar "name" "^ES_(HOSTS|CLOUD_ID)$")) -}}
- name: ES_HOST
  value: {{ .store.host | default "localhost" | quote }}
{{- end }}
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
{{- if and $auth.existingSecret (not (include "dox-asdlc.mcp-sidecar.hasEnv" (dict "sidecar" .sidecar "name" "^ES_(API_KEY|BEARER_TOKEN|PASSWORD)(_FILE)?$"))) }}
{{- if eq ($auth.type | default "password") "apiKey" }}
{{ include "dox-asdlc.mcp-sidecar.secretEnv" (dict "name" "ES_API_KEY" "auth" $auth) }}
{{- else }}
- name: ES_USERNAME
  value: {{ $auth.username | quote }}
{{ include "dox-asdlc.mcp-sidecar.secretEnv" (dict "name" "ES_PASSWORD" "auth" $auth) }}
{{- end }}
{{- end }}
{{- with .sidecar.indexPatterns }}
- name: MCP_INDEX_PATTERNS
  value: {{ join "," . | quote }}
{{- end }}
{{- end -}}

{{/* The pod's volume with the authority's certificate of the store, from the store's tls. Its private key, if it has one, stays out. */}}
{{- define "dox-asdlc.mcp-sidecar.storeVolume" -}}
{{- with . -}}
{{- if .existingSecret -}}
- name: mcp-store
  secret:
    secretName: {{ .existingSecret | quote }}
    defaultMode: 0440
    items:
      - key: {{ .caKey | quote }}
        path: {{ .caKey | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "dox-asdlc.mcp-sidecar.secretEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .auth.existingSecret | quote }}
      key: {{ .auth.existingSecretKey | quote }}
{{- end -}}

{{/* The name in extraEnv that matches, if any, from {sidecar, name}. */}}
{{- define "dox-asdlc.mcp-sidecar.hasEnv" -}}
{{- range .sidecar.extraEnv -}}
{{- if regexMatch $.name .name -}}{{ .name }}{{- end -}}
{{- end -}}
{{- end -}}
