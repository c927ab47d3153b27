{{/* The name of a chart's objects, which is also its host name for others in the namespace. */}}
{{- define "dox-asdlc.fullname" -}}
{{- include "dox-asdlc.prefixed" (dict "root" . "name" (.Values.fullnameOverride | default .Chart.Name)) -}}
{{- end -}}

{{/* A name with global.namePrefix before it. Pods' names and those of further Services are longer by up to 11 characters. */}}
{{- define "dox-asdlc.prefixed" -}}
{{- $name := printf "%s%s" ((.root.Values.global | default dict).namePrefix | default "") .name -}}
{{- include "dox-asdlc.refuse" (list (gt (len $name) 52) (printf "%s: the name %q is longer than 52 characters: shorten global.namePrefix or fullnameOverride" .root.Chart.Name $name)) -}}
{{- $name -}}
{{- end -}}

{{/* Labels that select the pods of a chart; they can't change once a release is installed. */}}
{{- define "dox-asdlc.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* Labels of all objects. */}}
{{- define "dox-asdlc.labels" -}}
{{ include "dox-asdlc.selectorLabels" . }}
app.kubernetes.io/part-of: dox-asdlc
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") | quote }}
{{- end -}}

{{/* Name and labels of a chart's main objects. */}}
{{- define "dox-asdlc.metadata" -}}
name: {{ include "dox-asdlc.fullname" . | quote }}
labels:
  {{- include "dox-asdlc.labels" . | nindent 2 }}
{{- end -}}

{{/* Labels and annotations of the pods, from {root, selector, annotations}: those of the chart, podLabels and podAnnotations. */}}
{{- define "dox-asdlc.podMetadata" -}}
{{- $selector := .selector | default (include "dox-asdlc.selectorLabels" .root) | fromYaml -}}
{{- range $label, $value := .root.Values.podLabels -}}
{{- include "dox-asdlc.refuse" (list (hasKey $selector $label) (printf "%s.podLabels can't have %s: the pods are selected by it" $.root.Chart.Name $label)) -}}
{{- end -}}
labels:
  {{- merge (deepCopy .root.Values.podLabels) $selector (dict "app.kubernetes.io/part-of" "dox-asdlc") | toYaml | nindent 2 }}
{{- with merge (deepCopy .root.Values.podAnnotations) (.annotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
An image's reference, from {root, image}, the latter with {repository, tag, digest}: a digest wins over a tag, and
global.imageRegistry comes before a repository that names no registry.
*/}}
{{- define "dox-asdlc.image" -}}
{{- $registry := (.root.Values.global | default dict).imageRegistry | default "" | trimSuffix "/" -}}
{{- if and $registry (not (regexMatch "^([^/]*[.:][^/]*|localhost)/" .image.repository)) }}{{ $registry }}/{{ end -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{- include "dox-asdlc.refuse" (list (not .image.tag) (printf "%s: the image %s has neither a tag nor a digest" .root.Chart.Name .image.repository)) -}}
{{ .image.repository }}:{{ .image.tag }}
{{- end -}}
{{- end -}}
