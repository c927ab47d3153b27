{{/*
The Deployment, Service and PodDisruptionBudget of an application, from {root, stores}: the subchart's context (.Subcharts.NAME),
and a dict of redis and elasticsearch to {host, port}, which the chart that depends on this one knows.
*/}}
{{- define "dox-asdlc.application" -}}
{{- $stores := .stores -}}
{{- with .root -}}
{{- include "dox-asdlc.distinctPorts" (dict "root" . "ports" (dict (printf "%s.port" .Chart.Name) .Values.port)) -}}
{{- $metricsPort := int .Values.prometheus.port | default (int .Values.port) -}}{{- /* int first: to Helm 3 the number 0 of a values file is not empty */ -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "dox-asdlc.metadata" . | nindent 2 }}
spec:
  replicas: {{ .Values.replicas | int }}
  {{- with .Values.updateStrategy }}
  strategy:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "dox-asdlc.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      {{- $prometheus := include "dox-asdlc.prometheusAnnotations" (dict "enabled" .Values.prometheus.enabled "port" $metricsPort "path" .Values.prometheus.path) | fromYaml }}
      {{- include "dox-asdlc.podMetadata" (dict "root" . "annotations" $prometheus) | nindent 6 }}
    spec:
      automountServiceAccountToken: false
      {{- include "dox-asdlc.placement" . | trim | nindent 6 }}
      containers:
        - name: {{ .Chart.Name | quote }}
          image: {{ include "dox-asdlc.image" (dict "root" . "image" .Values.image) | quote }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          {{- with include "dox-asdlc.fields" (dict "values" .Values "keys" (list "command" "args" "envFrom" "startupProbe")) }}{{ . | nindent 10 }}{{ end }}
          ports:
            - name: http
              containerPort: {{ .Values.port }}
              protocol: TCP
            {{- if and .Values.prometheus.enabled (ne $metricsPort (int .Values.port)) }}
            - name: metrics
              containerPort: {{ $metricsPort }}
              protocol: TCP
            {{- end }}
          env:
            {{- include "dox-asdlc.application.env" (dict "root" . "stores" $stores) | nindent 12 }}
          {{- $health := dict "httpGet" (dict "path" "/health" "port" "http") "timeoutSeconds" 5 }}
          readinessProbe:
            {{- toYaml (.Values.readinessProbe | default (merge (dict "periodSeconds" 10) $health)) | nindent 12 }}
          livenessProbe:
            {{- toYaml (.Values.livenessProbe | default (merge (dict "initialDelaySeconds" 15 "periodSeconds" 20) $health)) | nindent 12 }}
          {{- include "dox-asdlc.bounds" (dict "path" .Chart.Name "resources" .Values.resources "securityContext" .Values.securityContext) | nindent 10 }}
          {{- with include "dox-asdlc.merge" (dict "own" (include "dox-asdlc.application.authorities" (dict "root" . "mount" true)) "extra" .Values.extraVolumeMounts "key" "mountPath" "value" (printf "%s.extraVolumeMounts" .Chart.Name)) }}
          volumeMounts:
            {{- . | nindent 12 }}
          {{- end }}
        {{- with .Values.extraContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with include "dox-asdlc.merge" (dict "own" (include "dox-asdlc.application.authorities" (dict "root" .)) "extra" .Values.extraVolumes "key" "name" "value" (printf "%s.extraVolumes" .Chart.Name)) }}
      volumes:
        {{- . | nindent 8 }}
      {{- end }}
---
{{ include "dox-asdlc.service" (dict "root" . "name" (include "dox-asdlc.fullname" .) "port" .Values.port "portName" "http") }}
{{- range list "dox-asdlc.podDisruptionBudget" "dox-asdlc.serviceAccount" }}
{{- with include . $.root }}
---
{{ . }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* The volumes with the certificates of the stores' authorities, or where they are mounted, from {root, mount}. */}}
{{- define "dox-asdlc.application.authorities" -}}
{{- range $store, $prefix := dict "redis" "redis" "elasticsearch" "es" }}
{{- $tls := (get $.root.Values.global $store).tls }}
{{- if and $tls.enabled $tls.existingSecret (get $.root.Values.stores $store).enabled }}
- name: {{ $prefix }}-ca
  {{- if $.mount }}
  mountPath: /run/secrets/{{ $prefix }}-ca
  readOnly: true
  {{- else }}
  secret:
    secretName: {{ $tls.existingSecret | quote }}
    defaultMode: 0440
    items:
      - key: {{ $tls.caKey | quote }}
        path: ca.crt
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The container's environment, from {root, stores}. */}}
{{- define "dox-asdlc.application.env" -}}
{{- $name := .root.Chart.Name -}}
{{- $values := .root.Values -}}
{{- range $values.extraEnv -}}
{{- if eq .name "PORT" }}{{ fail (printf "%s.extraEnv can't have PORT; set %s.port" $name $name) }}{{ end -}}
{{- end -}}
{{- include "dox-asdlc.checkUnused" (dict "value" (printf "%s.prometheus" $name) "section" $values.prometheus "switch" "enabled" "defaults" (dict "port" 0 "path" "/metrics")) -}}
{{- $own := printf "- name: PORT\n  value: %q" (toString $values.port) -}}
{{- range $store, $prefix := dict "redis" "REDIS" "elasticsearch" "ES" -}}
{{- $wanted := get $values.stores $store -}}
{{- include "dox-asdlc.checkLogin" (dict "value" (printf "%s.stores.%s.auth" $name $store) "auth" $wanted.auth "defaults" (dict "username" "")) -}}
{{- if $wanted.enabled -}}
{{- $found := get $.stores $store -}}
{{- include "dox-asdlc.refuse" (list (not $found.host) (printf "%s needs a %s, but %s.enabled is false: name another one in global.%s.host, or set %s.stores.%s.enabled=false" $name $store $store $store $name $store)) -}}
{{- $shared := get $values.global $store -}}
{{- include "dox-asdlc.checkTls" (dict "value" (printf "global.%s.tls" $store) "tls" $shared.tls) -}}
{{- $own = printf "%s\n%s" $own (include "dox-asdlc.storeEnv" (dict "store" $found "own" $wanted.auth "shared" $shared "prefix" $prefix)) -}}
{{- else if $wanted.auth.existingSecret -}}
{{- fail (printf "%s.stores.%s.auth is set, and %s.stores.%s.enabled is false: it would be ignored" $name $store $name $store) -}}
{{- end -}}
{{- end -}}
{{- include "dox-asdlc.merge" (dict "own" $own "extra" $values.extraEnv "key" "name" "value" (printf "%s.extraEnv" $name)) -}}
{{- end -}}
