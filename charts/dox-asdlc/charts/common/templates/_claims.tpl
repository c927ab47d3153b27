{{/* Fields of a StatefulSet for its claim, from {root, name}: none without persistence, or with a claim that is there already. */}}
{{- define "dox-asdlc.claims" -}}
{{- $name := .name -}}
{{- with .root.Values.persistence -}}
{{- if and .enabled (not .existingClaim) -}}
{{- with .retentionPolicy -}}
persistentVolumeClaimRetentionPolicy:
  {{- toYaml . | nindent 2 }}
{{ end -}}
volumeClaimTemplates:
  - apiVersion: v1
    kind: PersistentVolumeClaim
    metadata:
      name: {{ $name }}
      labels:
        {{- include "dox-asdlc.selectorLabels" $.root | nindent 8 }}
      {{- with .annotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      accessModes:
        {{- toYaml .accessModes | nindent 8 }}
      {{- with include "dox-asdlc.storageClass" $.root }}
      storageClassName: {{ . | quote }}
      {{- end }}
      resources:
        requests:
          storage: {{ .size }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The storage class of a chart's claims; none is the cluster's default. */}}
{{- define "dox-asdlc.storageClass" -}}
{{- .Values.persistence.storageClass | default (.Values.global | default dict).storageClass -}}
{{- end -}}

{{/* The pod's volume where no claim is made for it, from {root, name}. */}}
{{- define "dox-asdlc.dataVolume" -}}
{{- $name := .name -}}
{{- with .root.Values.persistence -}}
{{- if not .enabled -}}
- name: {{ $name }}
  emptyDir: {}
{{- else if .existingClaim -}}
- name: {{ $name }}
  persistentVolumeClaim:
    claimName: {{ .existingClaim | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Refuses values that would be ignored, or that the API refuses once the StatefulSet is there, from {root}.
*/}}
{{- define "dox-asdlc.checkClaims" -}}
{{- $chart := include "dox-asdlc.path" .root -}}
{{- $name := include "dox-asdlc.fullname" .root -}}
{{- $new := .root.Values.persistence -}}
{{- include "dox-asdlc.refuse" (list (and $new.existingClaim (not $new.enabled)) (printf "%s.persistence.existingClaim is set, and %s.persistence.enabled is false: it would be ignored" $chart $chart)) -}}
{{- if $new.existingClaim -}}
{{- range $key := list "storageClass" "annotations" "retentionPolicy" -}}
{{- include "dox-asdlc.refuse" (list (get $new $key) (printf "%s.persistence.%s would be ignored: %s.persistence.existingClaim is there already" $chart $key $chart)) -}}
{{- end -}}
{{- end -}}
{{- range .root.Values.extraVolumes -}}
{{- include "dox-asdlc.refuse" (list (and (has .name (list "data" "storage")) $new.enabled) (printf "%s.extraVolumes can't have the name %s: it is that of the claim" $chart .name)) -}}
{{- end -}}
{{- $how := "docs/kubernetes.md, Volumes, tells how" -}}
{{- with lookup "apps/v1" "StatefulSet" .root.Release.Namespace $name -}}
{{- $claims := .spec.volumeClaimTemplates | default list -}}
{{- $wanted := and $new.enabled (not $new.existingClaim) -}}
{{- include "dox-asdlc.refuse" (list (ne (empty $claims) (not $wanted)) (printf "%s.persistence: StatefulSet %s exists %s claims of its own, which can't change: %s" $chart $name (empty $claims | ternary "without" "with") $how)) -}}
{{- range $claims -}}
{{- $had := dict "size" .spec.resources.requests.storage "storageClass" .spec.storageClassName "accessModes" .spec.accessModes "annotations" .metadata.annotations -}}
{{- $had = merge $had (dict "annotations" dict "storageClass" "") -}}
{{- $same := include "dox-asdlc.quantity" $had.size | eq (include "dox-asdlc.quantity" $new.size) | ternary (dict "size" $had.size) dict -}}
{{- range $key, $wanted := merge $same (dict "storageClass" (include "dox-asdlc.storageClass" $.root)) (pick $new "size" "accessModes" "annotations") -}}
{{- include "dox-asdlc.refuse" (list (ne (toJson (get $had $key)) (toJson $wanted)) (printf "%s.persistence.%s can't go from %s to %s: the claims of StatefulSet %s can't change. %s" $chart $key (toJson (get $had $key)) (toJson $wanted) $name $how)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "dox-asdlc.bytes" -}}
{{- include "dox-asdlc.quantity" . | float64 | int64 -}}
{{- end -}}

{{/* A quantity of the API, such as 1.5Gi or 500m, as a number. */}}
{{- define "dox-asdlc.quantity" -}}
{{- $text := include "dox-asdlc.text" . -}}
{{- $factors := dict "" 1 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 -}}
{{- mulf (regexFind "^[0-9.]+" $text | float64) (get $factors (regexFind "[a-zA-Z]*$" $text) | float64) -}}
{{- end -}}
