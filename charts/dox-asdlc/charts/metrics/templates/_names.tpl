{{- define "dox-asdlc.metrics.selectorLabels" -}}
{{ include "dox-asdlc.selectorLabels" .root }}
app.kubernetes.io/component: {{ .component | quote }}
{{- end -}}

{{- define "dox-asdlc.metrics.podLabels" -}}
{{ include "dox-asdlc.podLabels" .root }}
app.kubernetes.io/component: {{ .component | quote }}
{{- end -}}

{{- define "dox-asdlc.metrics.labels" -}}
{{ include "dox-asdlc.labels" .root }}
app.kubernetes.io/component: {{ .component | quote }}
{{- end -}}

{{/* The name of vmagent's objects. */}}
{{- define "dox-asdlc.metrics.vmagent" -}}
{{- include "dox-asdlc.prefixed" (dict "root" . "name" .Values.vmagent.fullnameOverride) -}}
{{- end -}}
