{{/*
A list that the API merges by a key, which it refuses to have twice: the entries of `own`, YAML of the chart's, whose key no
entry of `extra` has, and then those of `extra`, a list of the user's. `value` is the name of the user's value, for messages.
*/}}
{{- define "dox-asdlc.merge" -}}
{{- include "dox-asdlc.distinct" (dict "value" .value "key" .key "entries" .extra) -}}
{{- $taken := dict -}}
{{- range .extra }}{{ $_ := set $taken (get . $.key | toString | clean) true }}{{ end -}}
{{- $entries := list -}}
{{- range .own | fromYamlArray -}}
{{- if not (hasKey $taken (get . $.key | toString | clean)) -}}
{{- $entries = append $entries . -}}
{{- end -}}
{{- end -}}
{{- with concat $entries (.extra | default list) -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{/*
Refuses entries of a list of the user's, from {value, key, entries, own, said}, with the same key, or with one of the chart's `own`. `/data/`
is the same path as `/data`.
*/}}
{{- define "dox-asdlc.distinct" -}}
{{- $taken := dict -}}
{{- range .own }}{{ $_ := set $taken . ($.said | default "is the chart's own") }}{{ end -}}
{{- range .entries -}}
{{- $key := get . $.key | toString | clean -}}
{{- include "dox-asdlc.refuse" (list (hasKey $taken $key) (printf "%s: the %s %q %s" $.value $.key $key (get $taken $key))) -}}
{{- $_ := set $taken $key "is given twice" -}}
{{- end -}}
{{- end -}}

{{/* A value as text: a list's entries with commas between them, and a whole number without an exponent. */}}
{{- define "dox-asdlc.text" -}}
{{- if kindIs "slice" . -}}
{{- $texts := list -}}
{{- range . }}{{ $texts = append $texts (include "dox-asdlc.text" .) }}{{ end -}}
{{- join "," $texts -}}
{{- else if and (kindIs "float64" .) (eq (float64 (int64 .)) .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/*
Lays a dict `over` another one, `onto`, which it changes, as Helm lays files of values: also what is false, 0 or empty counts, and
null takes a key away.
*/}}
{{- define "dox-asdlc.overlay" -}}
{{- range $key, $value := .over -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $.onto $key -}}
{{- else if and (kindIs "map" $value) (kindIs "map" (get $.onto $key)) -}}
{{- include "dox-asdlc.overlay" (dict "over" $value "onto" (get $.onto $key)) -}}
{{- else -}}
{{- $_ := set $.onto $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Ends the render with a message, from a list of a condition and the message, where the condition holds. */}}
{{- define "dox-asdlc.refuse" -}}
{{- if index . 0 }}{{ fail (index . 1) }}{{ end -}}
{{- end -}}
