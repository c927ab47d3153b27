{{/*
The stores that applications use, as YAML: redis and elasticsearch to {host, port}. Those of global, else those that this chart
installs, by the names and ports that these have; the host is empty where there is none.
*/}}
{{- define "dox-asdlc.stores" -}}
{{- range $store, $default := dict "redis" 6379 "elasticsearch" 9200 }}
{{- $named := get $.Values.global $store }}
{{- $installed := get $.Subcharts $store }}
{{- $host := $named.host }}
{{- $port := int $named.port }}
{{- if $installed }}
{{- $name := include "dox-asdlc.fullname" $installed }}
{{- $host = $host | default $name }}
{{- if eq $host $name }}
{{- include "dox-asdlc.refuse" (list (and $port (ne $port (int $installed.Values.port))) (printf "global.%s.port is %d, and the %s of this release has the port %d: set %s.port instead" $store $port $store (int $installed.Values.port) $store)) }}
{{- $port = int $installed.Values.port }}
{{- end }}
{{- end }}
{{ $store }}:
  host: {{ $host | quote }}
  port: {{ $port | default $default }}
{{- end }}
{{- end -}}
