{{/* A set of nodes: the first one, or one of nodeSets, whose context has Main, the first one's name, and Path, for messages. */}}
{{- define "dox-asdlc.elasticsearch.statefulSet" -}}
{{- include "dox-asdlc.elasticsearch.check" . -}}
{{- $auth := .Values.global.elasticsearch.auth -}}
{{- $name := include "dox-asdlc.fullname" . -}}
{{- $ports := dict "elasticsearch.port" .Values.port "elasticsearch.transportPort" .Values.transportPort "elasticsearch.readinessPort" .Values.readinessPort -}}
{{- $ports = merge $ports (include "dox-asdlc.mcp-sidecar.ports" . | fromYaml) -}}
{{- include "dox-asdlc.distinctPorts" (dict "root" . "ports" $ports) -}}
{{- include "dox-asdlc.checkClaims" (dict "root" .) -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "dox-asdlc.metadata" . | nindent 2 }}
spec:
  replicas: {{ .Values.replicas | int }}
  serviceName: {{ $name }}-headless
  podManagementPolicy: Parallel
  {{- with .Values.updateStrategy }}
  updateStrategy:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "dox-asdlc.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      {{- $annotations := dict }}
      {{- $annotations = merge $annotations (include "dox-asdlc.mcp-sidecar.annotations" . | fromYaml) }}
      {{- include "dox-asdlc.podMetadata" (dict "root" . "annotations" $annotations) | nindent 6 }}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds | int }}
      {{- include "dox-asdlc.placement" . | trim | nindent 6 }}
      containers:
        - name: elasticsearch
          image: {{ include "dox-asdlc.image" (dict "root" . "image" .Values.image) | quote }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          {{- with include "dox-asdlc.elasticsearch.start" . }}
          args:
            - bash
            - -ec
            - |
              {{- . | nindent 14 }}
          {{- end }}
          env:
            {{- include "dox-asdlc.elasticsearch.env" . | nindent 12 }}
          {{- with include "dox-asdlc.fields" (dict "values" .Values "keys" (list "envFrom")) }}{{ . | nindent 10 }}{{ end }}
          ports:
            - name: http
              containerPort: {{ .Values.port }}
              protocol: TCP
            - name: transport
              containerPort: {{ .Values.transportPort }}
              protocol: TCP
            {{- with int .Values.readinessPort }}
            - name: readiness
              containerPort: {{ . }}
              protocol: TCP
            {{- end }}
          startupProbe:
            {{- $started := dict "tcpSocket" (dict "port" "http") "periodSeconds" 5 "timeoutSeconds" 5 "failureThreshold" 60 }}
            {{- toYaml (.Values.startupProbe | default $started) | nindent 12 }}
          readinessProbe:
            {{- with .Values.readinessProbe }}
            {{- toYaml . | nindent 12 }}
            {{- else }}
            {{- if int .Values.readinessPort }}
            # Open while the node is in a cluster that has a master.
            tcpSocket:
              port: readiness
            {{- else if $auth.existingSecret }}
            tcpSocket:
              port: http
            {{- else }}
            # 503 without a master.
            httpGet:
              path: /_cluster/health?master_timeout=3s
              port: http
              {{- with include "dox-asdlc.elasticsearch.scheme" . }}
              scheme: {{ . }}
              {{- end }}
            {{- end }}
            periodSeconds: 10
            timeoutSeconds: 5
            {{- end }}
          livenessProbe:
            {{- $alive := dict "tcpSocket" (dict "port" "http") "periodSeconds" 20 "timeoutSeconds" 5 "failureThreshold" 6 }}
            {{- toYaml (.Values.livenessProbe | default $alive) | nindent 12 }}
          {{- with include "dox-asdlc.elasticsearch.preStop" . }}
          lifecycle:
            # A rolling change goes on when a node is back in the cluster. Until the shards on it are back, the next one stays.
            preStop:
              {{- . | nindent 14 }}
          {{- end }}
          {{- include "dox-asdlc.bounds" (dict "path" (.Path | default "elasticsearch") "resources" .Values.resources "securityContext" .Values.securityContext) | nindent 10 }}
          {{- include "dox-asdlc.distinct" (dict "value" "elasticsearch.extraVolumeMounts" "key" "mountPath" "entries" .Values.extraVolumeMounts "own" (list "/usr/share/elasticsearch/data")) }}
          volumeMounts:
            {{- $mounts := printf "- name: data\n  mountPath: /usr/share/elasticsearch/data\n%s" (include "dox-asdlc.elasticsearch.secrets" (dict "root" . "mount" true)) }}
            {{- include "dox-asdlc.merge" (dict "own" $mounts "extra" .Values.extraVolumeMounts "key" "mountPath" "value" "elasticsearch.extraVolumeMounts") | nindent 12 }}
        {{- with .Values.extraContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- $store := dict "kind" "elasticsearch" "port" .Values.port "auth" $auth "tls" (merge (dict "enabled" (include "dox-asdlc.elasticsearch.scheme" . | empty | not)) .Values.global.elasticsearch.tls) }}
        {{- with include "dox-asdlc.mcp-sidecar.container" (dict "root" . "store" $store) }}{{ . | nindent 8 }}{{ end }}
      {{- $volumes := include "dox-asdlc.merge" (dict "own" (printf "%s\n%s" (include "dox-asdlc.dataVolume" (dict "root" . "name" "data")) (include "dox-asdlc.elasticsearch.secrets" (dict "root" .))) "extra" .Values.extraVolumes "key" "name" "value" "elasticsearch.extraVolumes") }}
      {{- $volumes = include "dox-asdlc.mcp-sidecar.volumes" (dict "root" . "store" $store "own" $volumes) }}
      {{- with trim $volumes }}
      volumes:
        {{- . | nindent 8 }}
      {{- end }}
  {{- with include "dox-asdlc.claims" (dict "root" . "name" "data") | trim }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "dox-asdlc.elasticsearch.headless" -}}
{{- include "dox-asdlc.service" (dict "root" . "name" (printf "%s-headless" (include "dox-asdlc.fullname" .)) "port" .Values.transportPort "portName" "transport" "headless" true) -}}
{{- end -}}
