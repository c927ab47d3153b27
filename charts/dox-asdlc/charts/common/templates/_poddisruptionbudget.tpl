{{/* One pod of a chart may be away at a time: a drain goes on, and never takes several. */}}
{{- define "dox-asdlc.podDisruptionBudget" -}}
{{- if .Values.podDisruptionBudget.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "dox-asdlc.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ include "dox-asdlc.text" .Values.podDisruptionBudget.maxUnavailable }}
  {{- /* A single pod that is not ready, for whatever reason, would never be let go: its budget is used up already. */}}
  {{- $replicas := .Values.replicas | default 1 }}
  {{- with .Values.autoscaling }}{{ if .enabled }}{{ $replicas = .minReplicas }}{{ end }}{{ end }}
  {{- $single := eq 1 (int $replicas) }}
  unhealthyPodEvictionPolicy: {{ .Values.podDisruptionBudget.unhealthyPodEvictionPolicy | default (ternary "AlwaysAllow" "IfHealthyBudget" $single) }}
  selector:
    matchLabels:
      {{- include "dox-asdlc.podLabels" . | nindent 6 }}
{{- end -}}
{{- end -}}
