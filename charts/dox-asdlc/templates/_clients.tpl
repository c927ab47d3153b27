{{/*
The MCP servers of the release, as a YAML list of {store, kind, service, value, server, pod, image, scheme}: the name of the store, its
kind, and the Service; the path of the server's values, and those; where its pods may run; its image's reference; and http or https.
*/}}
{{- define "dox-asdlc.clients" -}}
{{- $clients := list -}}
{{- range $store := list "redis" "elasticsearch" -}}
{{- with index $.Subcharts $store -}}
{{- if .Values.mcpSidecar.enabled -}}
{{- $clients = append $clients (dict "store" $store "kind" $store "service" (include "dox-asdlc.mcp-sidecar.name" .) "value" (printf "%s.mcpSidecar" $store) "server" .Values.mcpSidecar "pod" (pick .Values "imagePullSecrets" "nodeSelector" "priorityClassName" "tolerations")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $servers := dict -}}
{{- include "dox-asdlc.servers" (dict "root" . "into" $servers) -}}
{{- range $key, $context := $servers -}}
{{- $values := $context.Values -}}
{{- $clients = append $clients (dict "store" $key "kind" $values.store.kind "service" (include "dox-asdlc.fullname" $context) "value" $context.ServerPath "server" $values.server "pod" (pick $values "imagePullSecrets" "nodeSelector" "priorityClassName" "tolerations")) -}}
{{- end -}}
{{- range $client := $clients -}}
{{- $_ := set $client "image" (include "dox-asdlc.mcp-sidecar.image" (dict "root" $ "image" .server.image "kind" .kind)) -}}
{{- $_ := set $client "scheme" (include "dox-asdlc.mcp-sidecar.https" .server | default "http") -}}
{{- end -}}
{{- toYaml $clients -}}
{{- end -}}
