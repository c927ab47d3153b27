{{- define "dox-asdlc.metrics.selectorLabels" -}}
{{ include "dox-asdlc.selectorLabels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "dox-asdlc.metrics.labels" -}}
{{ include "dox-asdlc.labels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}
