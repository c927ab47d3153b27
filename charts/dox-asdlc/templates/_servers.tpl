{{/* Puts the contexts of mcpServers by their keys, from {root, into}, into a dict: their values are laid over mcpServerDefaults. */}}
{{- define "dox-asdlc.servers" -}}
{{- $root := .root -}}
{{- range $key, $given := .root.Values.mcpServers -}}
{{- if not (kindIs "invalid" $given) -}}
{{- $values := deepCopy $root.Values.mcpServerDefaults -}}
{{- include "dox-asdlc.overlay" (dict "over" $given "onto" $values) -}}
{{- $values = merge (dict "global" $root.Values.global "mcpSidecar" $values.server) $values -}}
{{- $chart := dict "Name" (printf "mcp-%s" $key) "Version" $root.Chart.Version "AppVersion" $root.Chart.AppVersion -}}
{{- $_ := set $.into $key (dict "Values" $values "Chart" $chart "Release" $root.Release "Path" (printf "mcpServers.%s" $key) "ServerPath" (printf "mcpServers.%s.server" $key)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
