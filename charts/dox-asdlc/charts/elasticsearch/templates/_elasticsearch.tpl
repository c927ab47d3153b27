{{/* Whether a setting of elasticsearch.yml, by its name, is true in values. */}}
{{- define "dox-asdlc.elasticsearch.isTrue" -}}
{{- get .root.Values.config .setting | toString | eq "true" | ternary "true" "" -}}
{{- end -}}

{{/*
Whether the node must be a cluster of its own for ever: where it is asked for, or where there is a login without TLS between
nodes, which Elasticsearch takes in no other cluster.
*/}}
{{- define "dox-asdlc.elasticsearch.isSingle" -}}
{{- $tls := include "dox-asdlc.elasticsearch.isTrue" (dict "root" . "setting" "xpack.security.transport.ssl.enabled") -}}
{{- if or (get .Values.config "discovery.type" | eq "single-node") (and .Values.global.elasticsearch.auth.existingSecret (not $tls)) -}}
true
{{- end -}}
{{- end -}}

{{- define "dox-asdlc.elasticsearch.scheme" -}}
{{- if include "dox-asdlc.elasticsearch.isTrue" (dict "root" . "setting" "xpack.security.http.ssl.enabled") }}HTTPS{{ end -}}
{{- end -}}

{{/* Refuses values that lose or split data, or that would be ignored. */}}
{{- define "dox-asdlc.elasticsearch.check" -}}
{{- $name := include "dox-asdlc.fullname" . -}}
{{- $replicas := int .Values.replicas -}}
{{- $instead := dict
  "node.name" "nothing: it is the pod's name"
  "http.port" "elasticsearch.port"
  "transport.port" "elasticsearch.transportPort"
  "readiness.port" "elasticsearch.readinessPort"
  "cluster.initial_master_nodes" "nothing: the chart tells the first node alone, so that no other forms a second cluster" -}}
{{- include "dox-asdlc.checkLogin" (dict "value" "global.elasticsearch.auth" "auth" .Values.global.elasticsearch.auth "defaults" (dict "existingSecretKey" "elastic-password" "username" "elastic")) -}}
{{- $names := keys .Values.config -}}
{{- range .Values.extraEnv }}{{ $names = append $names .name }}{{ end -}}
{{- range $names -}}
{{- if hasKey $instead . -}}
{{- fail (printf "elasticsearch.config and elasticsearch.extraEnv can't have %s; set %s" . (get $instead .)) -}}
{{- end -}}
{{- end -}}
{{- if and (gt $replicas 1) (include "dox-asdlc.elasticsearch.isSingle" .) -}}
{{- if get .Values.config "discovery.type" | eq "single-node" -}}
{{- fail (printf "elasticsearch.config has discovery.type=single-node, and elasticsearch.replicas is %d: take it out of elasticsearch.config" $replicas) -}}
{{- end -}}
{{- fail "elasticsearch: with a login (global.elasticsearch.auth.existingSecret) several replicas need TLS between them: set elasticsearch.config with xpack.security.transport.ssl.enabled=true and its certificates" -}}
{{- end -}}
{{- if and (int .Values.readinessPort) (not .Values.image.digest) (regexMatch "^v?([0-7]\\.|8\\.[01]([.-]|$))" .Values.image.tag) -}}
{{- fail (printf "elasticsearch.readinessPort needs Elasticsearch 8.2 or later, and elasticsearch.image.tag is %s: set elasticsearch.readinessPort=0" .Values.image.tag) -}}
{{- end -}}
{{- if and .Values.persistence.existingClaim (gt $replicas 1) -}}
{{- fail (printf "elasticsearch.persistence.existingClaim is one claim, and elasticsearch.replicas is %d" $replicas) -}}
{{- end -}}
{{- $installed := lookup "apps/v1" "StatefulSet" .Release.Namespace $name -}}
{{- if $installed -}}
{{- $before := int $installed.spec.replicas -}}
{{- if and (lt $replicas $before) (ne (int .Values.drainedTo) $replicas) -}}
{{- fail (printf "elasticsearch.replicas can't go from %d to %d yet: the nodes that go have shards and votes. Take both from them (docs/kubernetes.md, Scale Elasticsearch), then upgrade with elasticsearch.drainedTo=%d" $before $replicas $replicas) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Settings of the chart, as environment variables. */}}
{{- define "dox-asdlc.elasticsearch.ownEnv" -}}
{{- $auth := .Values.global.elasticsearch.auth -}}
{{- $name := include "dox-asdlc.fullname" . -}}
- name: node.name
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: cluster.name
  value: {{ $name | quote }}
- name: network.host
  value: "0.0.0.0"
- name: http.port
  value: {{ .Values.port | quote }}
- name: transport.port
  value: {{ .Values.transportPort | quote }}
{{- with int .Values.readinessPort }}
- name: readiness.port
  value: {{ . | quote }}
{{- end }}
{{- if include "dox-asdlc.elasticsearch.isSingle" . }}
- name: discovery.type
  value: single-node
{{- else }}
- name: discovery.seed_hosts
  value: {{ $name }}-headless
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: INITIAL_MASTER_NODES
  valueFrom:
    configMapKeyRef:
      name: {{ $name | quote }}
      key: initial_master_nodes
{{- end }}
- name: xpack.security.enabled
  value: {{ $auth.existingSecret | empty | not | quote }}
{{- if $auth.existingSecret }}
- name: ELASTIC_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $auth.existingSecret | quote }}
      key: {{ $auth.existingSecretKey | quote }}
{{- end }}
- name: ES_JAVA_OPTS
  value: -Xms{{ .Values.heapSize }} -Xmx{{ .Values.heapSize }}
{{- end -}}

{{/* The container's environment: the chart's settings, over them those of config, over them extraEnv. */}}
{{- define "dox-asdlc.elasticsearch.env" -}}
{{- $config := list -}}
{{- range $setting, $value := .Values.config -}}
{{- $config = append $config (dict "name" $setting "value" (include "dox-asdlc.text" $value)) -}}
{{- end -}}
{{- $own := include "dox-asdlc.merge" (dict "own" (include "dox-asdlc.elasticsearch.ownEnv" .) "extra" $config "key" "name" "value" "elasticsearch.config") -}}
{{- include "dox-asdlc.merge" (dict "own" $own "extra" .Values.extraEnv "key" "name" "value" "elasticsearch.extraEnv") -}}
{{- end -}}

{{/* Waits, before the node goes, until no copy of a shard is being made: for half of the time that the pod has to end. */}}
{{- define "dox-asdlc.elasticsearch.preStop" -}}
{{- $path := printf "/_cluster/health?wait_for_events=languid&wait_for_no_initializing_shards=true&master_timeout=5s&timeout=%ds" (div .Values.terminationGracePeriodSeconds 2) -}}
{{- $scheme := include "dox-asdlc.elasticsearch.scheme" . -}}
{{- if .Values.global.elasticsearch.auth.existingSecret -}}
exec:
  command:
    - bash
    - -c
    # The password is not in the process list.
    - |
      printf 'user = "elastic:%s"\n' "$(printf %s "$ELASTIC_PASSWORD" | sed 's/["\\]/\\&/g')" |
        curl --silent --insecure --output /dev/null --config - '{{ $scheme | default "http" | lower }}://localhost:{{ .Values.port }}{{ $path }}'
{{- else -}}
httpGet:
  path: {{ $path | quote }}
  port: http
  {{- with $scheme }}
  scheme: {{ . }}
  {{- end }}
{{- end -}}
{{- end -}}
