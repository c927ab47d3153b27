{{/* The annotations by which vmagent finds a pod's metrics; a dict of {enabled, port, path, scheme}, the last http where it is left out. */}}
{{- define "dox-asdlc.prometheusAnnotations" -}}
{{- if .enabled -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .port | quote }}
prometheus.io/path: {{ .path | quote }}
{{- with .scheme }}
prometheus.io/scheme: {{ . | quote }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Those fields of {values, keys} that are set, as they are. */}}
{{- define "dox-asdlc.fields" -}}
{{- $set := dict -}}
{{- range $key := .keys -}}
{{- with get $.values $key }}{{ $_ := set $set $key . }}{{ end -}}
{{- end -}}
{{- with $set }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/* What a container may use and do, from {path, resources, securityContext}: the path of its values, for messages, and those. */}}
{{- define "dox-asdlc.bounds" -}}
{{- range $name, $request := .resources.requests -}}
{{- with get ($.resources.limits | default dict) $name -}}
{{- include "dox-asdlc.refuse" (list (gt (include "dox-asdlc.quantity" $request | float64) (include "dox-asdlc.quantity" . | float64)) (printf "%s.resources.requests.%s is %v, and more than limits.%s, which is %v: raise the limit" $.path $name $request $name .)) -}}
{{- end -}}
{{- end -}}
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  {{- toYaml .securityContext | nindent 2 }}
{{- end -}}

{{/* Where pods may run, and as whom: what all charts take alike from their values. Replicas are spread over nodes and zones; one alone is as well, so that more of them do not change it. */}}
{{- define "dox-asdlc.placement" -}}
{{- $path := include "dox-asdlc.path" . -}}
{{- $containers := concat (.Values.initContainers | default list) (.Values.extraContainers | default list) -}}
{{- include "dox-asdlc.distinct" (dict "value" (printf "%s.initContainers and extraContainers" $path) "key" "name" "entries" $containers "own" (list .Chart.Name "elasticsearch" "mcp-sidecar" "mcp-server")) -}}
{{- $constraints := list -}}
{{- range .Values.topologySpreadConstraints }}{{ $constraints = append $constraints (dict "pair" (printf "%s %s" .topologyKey .whenUnsatisfiable)) }}{{ end -}}
{{- include "dox-asdlc.distinct" (dict "value" (printf "%s.topologySpreadConstraints" $path) "key" "pair" "entries" $constraints) -}}
{{- $secrets := (.Values.global | default dict).imagePullSecrets | default list -}}
{{- include "dox-asdlc.distinct" (dict "value" "global.imagePullSecrets" "key" "name" "entries" $secrets) -}}
{{- with include "dox-asdlc.merge" (dict "own" (toYaml $secrets) "extra" .Values.imagePullSecrets "key" "name" "value" (printf "%s.imagePullSecrets" $path)) }}
imagePullSecrets:
  {{- . | nindent 2 }}
{{- end }}
{{ include "dox-asdlc.fields" (dict "values" .Values "keys" (list "priorityClassName" "nodeSelector" "tolerations" "affinity" "initContainers")) }}
{{- with .Values.serviceAccount }}
{{- if or .create .name }}
serviceAccountName: {{ .name | default $.Main | default (include "dox-asdlc.fullname" $) | quote }}
{{- end }}
{{- end }}
{{- if .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml .Values.topologySpreadConstraints | nindent 2 }}
{{- else if hasKey .Values "replicas" }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "dox-asdlc.podLabels" $ | nindent 8 }}
  {{- end }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end -}}

{{/*
Environment variables that tell an application of a store, from {store, own, shared, prefix}: the store's host and port; the
application's own login, else the shared one; how to make TLS connections; and what the variables' names begin with.
*/}}
{{- define "dox-asdlc.storeEnv" -}}
{{- $auth := empty .own.existingSecret | ternary .shared.auth .own -}}
{{- $tls := .shared.tls -}}
- name: {{ .prefix }}_HOST
  value: {{ .store.host | quote }}
- name: {{ .prefix }}_PORT
  value: {{ .store.port | quote }}
{{- if $auth.existingSecret }}
{{- with $auth.username }}
- name: {{ $.prefix }}_USERNAME
  value: {{ . | quote }}
{{- end }}
- name: {{ .prefix }}_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $auth.existingSecret | quote }}
      key: {{ $auth.existingSecretKey | quote }}
{{- end }}
{{- if $tls.enabled }}
{{- if eq .prefix "ES" }}
- name: ES_SCHEME
  value: https
{{- else }}
- name: {{ .prefix }}_TLS
  value: "true"
{{- end }}
{{- if $tls.existingSecret }}
- name: {{ .prefix }}_CA_FILE
  value: /run/secrets/{{ .prefix | lower }}-ca/ca.crt
{{- end }}
{{- end }}
{{- end -}}

{{/* Fields of a Service for IPv6 and dual stack. */}}
{{- define "dox-asdlc.ipFamilies" -}}
{{- with .Values.global -}}
{{- with .ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* The ServiceAccount of a chart's pods, where it is to be made. */}}
{{- define "dox-asdlc.serviceAccount" -}}
{{- with .Values.serviceAccount -}}
{{- if .create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name | default (include "dox-asdlc.fullname" $) | quote }}
  labels:
    {{- include "dox-asdlc.labels" $ | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- else if .annotations -}}
{{- $path := include "dox-asdlc.path" $ -}}
{{- fail (printf "%s.serviceAccount.annotations would be ignored: set %s.serviceAccount.create=true" $path $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Refuses ports of one pod that are the same, from {root, ports}: a dict of the values' names to the chart's, and those of extraContainers. */}}
{{- define "dox-asdlc.distinctPorts" -}}
{{- $ports := .ports -}}
{{- range $container := .root.Values.extraContainers -}}
{{- range .ports }}{{ if eq (.protocol | default "TCP") "TCP" }}{{ $_ := set $ports (printf "%s.extraContainers (%s)" (include "dox-asdlc.path" $.root) (list $container.name (.name | default (toString (int .containerPort))) | compact | join ", ")) .containerPort }}{{ end }}{{ end -}}
{{- end -}}
{{- $taken := dict -}}
{{- range $value, $port := $ports -}}
{{- if $port -}}
{{- $key := toString (int $port) -}}
{{- include "dox-asdlc.refuse" (list (hasKey $taken $key) (printf "%s and %s are both %s: containers of a pod share its ports" (get $taken $key) $value $key)) -}}
{{- $_ := set $taken $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Refuses what is set of TLS to a store, from {value, tls, server}, where it is off; a server needs a certificate. */}}
{{- define "dox-asdlc.checkTls" -}}
{{- include "dox-asdlc.checkLogin" (dict "value" .value "auth" .tls "defaults" (dict "caKey" "ca.crt")) -}}
{{- if and .tls.existingSecret (not .tls.enabled) -}}
{{- fail (printf "%s.existingSecret would be ignored: set %s.enabled=true" .value .value) -}}
{{- else if and .server .tls.enabled (not .tls.existingSecret) -}}
{{- fail (printf "%s.enabled needs %s.existingSecret, with tls.crt, tls.key and the authority's certificate" .value .value) -}}
{{- end -}}
{{- end -}}

{{/* Refuses what is set of a login, from {value, auth, defaults}, where no Secret is named: it would be ignored. */}}
{{- define "dox-asdlc.checkLogin" -}}
{{- include "dox-asdlc.checkUnused" (dict "value" .value "section" .auth "switch" "existingSecret" "defaults" .defaults) -}}
{{- end -}}

{{/* Refuses what is set of a section of values, from {value, section, switch, defaults}, whose switch is off: it would be ignored. */}}
{{- define "dox-asdlc.checkUnused" -}}
{{- if not (get .section .switch) -}}
{{- range $key, $default := .defaults -}}
{{- include "dox-asdlc.refuse" (list (ne (get $.section $key | toString) (toString $default)) (printf "%s.%s is set without %s.%s, and would be ignored" $.value $key $.value $.switch)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes a ServiceAccount's name, from {accounts, value, name}, and refuses one that another part of the release makes. */}}
{{- define "dox-asdlc.takeAccount" -}}
{{- include "dox-asdlc.refuse" (list (hasKey .accounts .name) (printf "%s and %s both make the ServiceAccount %s: let one of them make it (serviceAccount.create)" (get .accounts .name) .value .name)) -}}
{{- $_ := set .accounts .name .value -}}
{{- end -}}
