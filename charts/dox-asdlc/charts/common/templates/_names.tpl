{{/* Path of a chart's values, for messages. */}}
{{- define "dox-asdlc.path" -}}
{{- .Path | default .Chart.Name -}}
{{- end -}}

{{/* The name of a chart's objects, which is also its host name for others in the namespace. */}}
{{- define "dox-asdlc.fullname" -}}
{{- include "dox-asdlc.prefixed" (dict "root" . "name" (.Values.fullnameOverride | default .Chart.Name)) -}}
{{- end -}}

{{/* A name with global.namePrefix before it. Pods' names and those of further Services are longer by up to 11 characters. */}}
{{- define "dox-asdlc.prefixed" -}}
{{- $name := printf "%s%s" ((.root.Values.global | default dict).namePrefix | default "") .name -}}
{{- include "dox-asdlc.refuse" (list (gt (len $name) 52) (printf "%s: the name %q is longer than 52 characters: shorten global.namePrefix or fullnameOverride" (include "dox-asdlc.path" .root) $name)) -}}
{{- $name -}}
{{- end -}}

{{/*
Labels by which StatefulSets and Deployments select their pods: they can't change once a release is installed. A chart with several
workloads has a context for each, with its Component.
*/}}
{{- define "dox-asdlc.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- with .Component }}
app.kubernetes.io/component: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Labels by which all else selects the pods of a chart: another chart of the same release may have a `redis` as well. */}}
{{- define "dox-asdlc.podLabels" -}}
{{ include "dox-asdlc.selectorLabels" . }}
app.kubernetes.io/part-of: dox-asdlc
{{- end -}}

{{/* Labels of all objects. */}}
{{- define "dox-asdlc.labels" -}}
{{ include "dox-asdlc.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") | quote }}
{{- end -}}

{{/* Name and labels of a chart's main objects. */}}
{{- define "dox-asdlc.metadata" -}}
name: {{ include "dox-asdlc.fullname" . | quote }}
labels:
  {{- include "dox-asdlc.labels" . | nindent 2 }}
{{- end -}}

{{/* Labels and annotations of the pods, from {root, annotations}: those of the chart, podLabels and podAnnotations. */}}
{{- define "dox-asdlc.podMetadata" -}}
{{- $labels := include "dox-asdlc.podLabels" .root | fromYaml -}}
{{- $annotations := .annotations | default dict -}}
{{- range $value, $own := dict "podLabels" $labels "podAnnotations" $annotations -}}
{{- range $key, $_ := index $.root.Values $value -}}
{{- include "dox-asdlc.refuse" (list (hasKey $own $key) (printf "%s.%s can't have %s: the chart sets it" (include "dox-asdlc.path" $.root) $value $key)) -}}
{{- end -}}
{{- end -}}
labels:
  {{- merge $labels (.root.Values.podLabels | default dict) | toYaml | nindent 2 }}
{{- with merge $annotations (.root.Values.podAnnotations | default dict) }}
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
{{- include "dox-asdlc.refuse" (list (not .image.tag) (printf "%s: the image %s has neither a tag nor a digest" (include "dox-asdlc.path" .root) .image.repository)) -}}
{{ .image.repository }}:{{ .image.tag }}
{{- end -}}
{{- end -}}
