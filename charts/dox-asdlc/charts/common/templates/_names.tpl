{{/* The name of a chart's objects, which is also its host name for others in the namespace. */}}
{{- define "dox-asdlc.fullname" -}}
{{- .Values.fullnameOverride | default .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels that select the pods of a chart; they can't change once a release is installed. */}}
{{- define "dox-asdlc.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of all objects. */}}
{{- define "dox-asdlc.labels" -}}
{{ include "dox-asdlc.selectorLabels" . }}
app.kubernetes.io/part-of: dox-asdlc
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end -}}

{{/* An image's reference, from {repository, tag, digest}: a digest wins over a tag. */}}
{{- define "dox-asdlc.image" -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag }}
{{- end -}}
{{- end -}}
