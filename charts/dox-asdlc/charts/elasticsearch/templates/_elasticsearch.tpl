{{/* What the user's values say of a setting of elasticsearch.yml, from {root, setting}: extraEnv wins over config. */}}
{{- define "dox-asdlc.elasticsearch.setting" -}}
{{- $value := include "dox-asdlc.text" (get .root.Values.config .setting) -}}
{{- range .root.Values.extraEnv }}{{ if eq .name $.setting }}{{ $value = .value | default "" }}{{ end }}{{ end -}}
{{- $value -}}
{{- end -}}

{{- define "dox-asdlc.elasticsearch.isTrue" -}}
{{- include "dox-asdlc.elasticsearch.setting" . | eq "true" | ternary "true" "" -}}
{{- end -}}

{{/*
Whether the node must be a cluster of its own for ever: where it is asked for, or where there is a login without TLS between
nodes, which Elasticsearch takes in no other cluster.
*/}}
{{- define "dox-asdlc.elasticsearch.isSingle" -}}
{{- $tls := .Values.transportTls.existingSecret | default (include "dox-asdlc.elasticsearch.isTrue" (dict "root" . "setting" "xpack.security.transport.ssl.enabled")) -}}
{{- if or (include "dox-asdlc.elasticsearch.setting" (dict "root" . "setting" "discovery.type") | eq "single-node") (and .Values.global.elasticsearch.auth.existingSecret (not $tls)) -}}
true
{{- end -}}
{{- end -}}

{{- define "dox-asdlc.elasticsearch.scheme" -}}
{{- if or .Values.global.elasticsearch.tls.enabled (include "dox-asdlc.elasticsearch.isTrue" (dict "root" . "setting" "xpack.security.http.ssl.enabled")) }}HTTPS{{ end -}}
{{- end -}}

{{/* Refuses values that lose or split data, or that would be ignored. */}}
{{- define "dox-asdlc.elasticsearch.check" -}}
{{- $name := include "dox-asdlc.fullname" . -}}
{{- $path := .Path | default "elasticsearch" -}}
{{- $replicas := int .Values.replicas -}}
{{- $nodes := add $replicas (empty (or .Path .Values.nodeSets) | ternary 0 1) | int -}}
{{- $global := .Values.global.elasticsearch -}}
{{- $instead := dict
  "node.name" "nothing: it is the pod's name"
  "http.port" "elasticsearch.port"
  "transport.port" "elasticsearch.transportPort"
  "readiness.port" "elasticsearch.readinessPort"
  "cluster.initial_master_nodes" "nothing: the chart tells the first node alone, so that no other forms a second cluster" -}}
{{- include "dox-asdlc.checkLogin" (dict "value" "global.elasticsearch.auth" "auth" $global.auth "defaults" (dict "existingSecretKey" "elastic-password" "username" "elastic")) -}}
{{- include "dox-asdlc.checkTls" (dict "value" "global.elasticsearch.tls" "tls" $global.tls "server" true) -}}
{{- include "dox-asdlc.checkLogin" (dict "value" "elasticsearch.transportTls" "auth" .Values.transportTls "defaults" (dict "caKey" "ca.crt")) -}}
{{- include "dox-asdlc.refuse" (list (and (or $global.tls.enabled .Values.transportTls.existingSecret) (not $global.auth.existingSecret)) "elasticsearch: TLS (global.elasticsearch.tls, elasticsearch.transportTls) is part of its security: set global.elasticsearch.auth.existingSecret") -}}
{{- include "dox-asdlc.refuse" (list (and $global.auth.existingSecret (ne $global.auth.username "elastic")) (printf "global.elasticsearch.auth.username is %s, but the password of this Elasticsearch is that of user elastic: name other users in stores.elasticsearch.auth of the applications, and in elasticsearch.mcpSidecar.extraEnv" $global.auth.username)) -}}
{{- include "dox-asdlc.refuse" (list (has "master" (.Values.roles | default list)) (printf "%s.roles can't have master: nodes of the chart's first set alone form the cluster; set elasticsearch.replicas" $path)) -}}
{{- if .Path }}{{ $_ := set $instead "node.roles" (printf "%s.roles" .Path) }}{{ end -}}
{{- $roles := include "dox-asdlc.elasticsearch.setting" (dict "root" . "setting" "node.roles") -}}
{{- include "dox-asdlc.refuse" (list (and $roles (not .Path) (splitList "," $roles | has "master" | not)) (printf "elasticsearch.config or extraEnv has node.roles=%s: the first nodes form the cluster, so their roles need master; other nodes go into elasticsearch.nodeSets" $roles)) -}}
{{- include "dox-asdlc.refuse" (list (and $global.auth.existingSecret (eq "false" (include "dox-asdlc.elasticsearch.setting" (dict "root" . "setting" "xpack.security.enabled")))) (printf "%s.config or extraEnv has xpack.security.enabled=false, and global.elasticsearch.auth.existingSecret would be ignored: take one of them out" $path)) -}}
{{- $names := keys .Values.config -}}
{{- range .Values.extraEnv }}{{ $names = append $names .name }}{{ end -}}
{{- range $names -}}
{{- include "dox-asdlc.refuse" (list (hasKey $instead .) (printf "%s.config and %s.extraEnv can't have %s; set %s" $path $path . (get $instead .))) -}}
{{- end -}}
{{- if and (gt $nodes 1) (include "dox-asdlc.elasticsearch.isSingle" .) -}}
{{- include "dox-asdlc.refuse" (list (include "dox-asdlc.elasticsearch.setting" (dict "root" . "setting" "discovery.type") | eq "single-node") (printf "elasticsearch.config or extraEnv has discovery.type=single-node, but there is more than one node (elasticsearch.replicas is %d): remove it" $replicas)) -}}
{{- fail "elasticsearch: with a login (global.elasticsearch.auth.existingSecret) several nodes need TLS between them: name a Secret with their certificate in elasticsearch.transportTls.existingSecret" -}}
{{- end -}}
{{- include "dox-asdlc.refuse" (list (and (int .Values.readinessPort) (not .Values.image.digest) (regexMatch "^v?([0-7]\\.|8\\.[01]([.-]|$))" .Values.image.tag)) (printf "elasticsearch.readinessPort needs Elasticsearch 8.2 or later, and elasticsearch.image.tag is %s: set elasticsearch.readinessPort=0" .Values.image.tag)) -}}
{{- include "dox-asdlc.refuse" (list (and .Values.persistence.existingClaim (gt $replicas 1)) (printf "%s.persistence.existingClaim works with one replica only, and %s.replicas is %d" $path $path $replicas)) -}}
{{- with (.Values.resources.limits | default dict).memory -}}
{{- include "dox-asdlc.refuse" (list (ge (include "dox-asdlc.bytes" (printf "%si" (upper $.Values.heapSize)) | int64) (include "dox-asdlc.bytes" . | int64)) (printf "%s.heapSize is %s, and %s.resources.limits.memory %v: take about half of the limit" $path $.Values.heapSize $path .)) -}}
{{- end -}}
{{- $drained := int .Values.drainedTo -}}
{{- include "dox-asdlc.refuse" (list (and (ge $drained 0) (ne $drained $replicas)) (printf "%s.drainedTo is %d and %s.replicas %d: set %s.drainedTo=%d once all other nodes are drained, else -1" $path $drained $path $replicas $path $replicas)) -}}
{{- $installed := lookup "apps/v1" "StatefulSet" .Release.Namespace $name -}}
{{- if $installed -}}
{{- $before := int $installed.spec.replicas -}}
{{- include "dox-asdlc.refuse" (list (and (lt $replicas $before) (ne $drained $replicas)) (printf "%s.replicas can't go from %d to %d yet: the nodes to be removed may have shards and votes. Drain them (docs/kubernetes.md, Scale Elasticsearch), then upgrade with %s.drainedTo=%d" $path $before $replicas $path $replicas)) -}}
{{- end -}}
{{- end -}}

{{/* Settings of the chart, as environment variables. */}}
{{- define "dox-asdlc.elasticsearch.ownEnv" -}}
{{- $auth := .Values.global.elasticsearch.auth -}}
{{- $name := .Main | default (include "dox-asdlc.fullname" .) -}}
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
{{- if not .Main }}
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
{{- end }}
{{- with .Values.roles }}
- name: node.roles
  value: {{ join "," . | quote }}
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
{{- range $layer, $tls := dict "http" (.Values.global.elasticsearch.tls.enabled | ternary .Values.global.elasticsearch.tls dict) "transport" .Values.transportTls }}
{{- if $tls.existingSecret }}
{{- range $setting, $value := dict "enabled" "true" "key" "tls.key" "certificate" "tls.crt" "certificate_authorities" $tls.caKey }}
- name: xpack.security.{{ $layer }}.ssl.{{ $setting }}
  value: {{ eq $setting "enabled" | ternary $value (printf "tls-%s/%s" $layer $value) | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.transportTls.existingSecret }}
# Pods have no names that last: who has a certificate of the authority is a node.
- name: xpack.security.transport.ssl.verification_mode
  value: certificate
{{- end }}
- name: ES_JAVA_OPTS
  value: -Xms{{ .Values.heapSize }} -Xmx{{ .Values.heapSize }}
{{- end -}}

{{/*
Start script of the container, where it needs one. The image's own entry point runs it. Elasticsearch forms a new cluster where it
is told the nodes to form it of, once more than half of them have found each other. Only the first node is told, and of all: no
other node ever forms a cluster, and neither does the first one with an empty volume while the others have one.
*/}}
{{- define "dox-asdlc.elasticsearch.start" -}}
{{- $forms := not (or .Main (include "dox-asdlc.elasticsearch.isSingle" .)) -}}
{{- if $forms -}}
case "$POD_NAME" in *-0) export ES_SETTING_CLUSTER_INITIAL__MASTER__NODES="$INITIAL_MASTER_NODES" ;; esac
{{ end -}}
{{- if .Values.keystoreSecrets -}}
set --
for file in /run/secrets/keystore/*; do set -- "$@" "${file##*/}" "$file"; done
elasticsearch-keystore add-file --force "$@"
{{ end -}}
{{- if or $forms .Values.keystoreSecrets -}}
exec /usr/local/bin/docker-entrypoint.sh eswrapper
{{- end -}}
{{- end -}}

{{/* Volumes of Secrets, or where they are mounted, from {root, mount}. */}}
{{- define "dox-asdlc.elasticsearch.secrets" -}}
{{- range $layer, $tls := dict "http" .root.Values.global.elasticsearch.tls "transport" .root.Values.transportTls }}
{{- with $tls.existingSecret }}
- name: tls-{{ $layer }}
  {{- if $.mount }}
  mountPath: /usr/share/elasticsearch/config/tls-{{ $layer }}
  readOnly: true
  {{- else }}
  secret:
    secretName: {{ . | quote }}
    defaultMode: 0440
  {{- end }}
{{- end }}
{{- end }}
{{- with .root.Values.keystoreSecrets }}
- name: keystore
  {{- if $.mount }}
  mountPath: /run/secrets/keystore
  readOnly: true
  {{- else }}
  projected:
    defaultMode: 0440
    sources:
      {{- range . }}
      - secret:
          name: {{ . | quote }}
      {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The container's environment: the chart's settings, over them those of config, over them extraEnv. */}}
{{- define "dox-asdlc.elasticsearch.env" -}}
{{- $config := list -}}
{{- range $setting, $value := .Values.config -}}
{{- $config = append $config (dict "name" $setting "value" (include "dox-asdlc.text" $value)) -}}
{{- end -}}
{{- $own := include "dox-asdlc.merge" (dict "own" (include "dox-asdlc.elasticsearch.ownEnv" .) "extra" $config "key" "name" "value" (printf "%s.config" (.Path | default "elasticsearch"))) -}}
{{- include "dox-asdlc.merge" (dict "own" $own "extra" .Values.extraEnv "key" "name" "value" (printf "%s.extraEnv" (.Path | default "elasticsearch"))) -}}
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
