{{/* The annotations by which vmagent finds a pod's metrics; a dict of {enabled, port, path, scheme}, the last http where it is left out. */}}
{{- define "dox-asdlc.prometheusAnnotations" -}}
{{- if .enabled -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .port | quote }}
prometheus.io/path: {{ .path | quote }}
{{- with .scheme }}
prometheus.io/scheme: {{ . }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Where pods may run: what all charts take alike from their values. Replicas are spread over nodes and zones; one alone is as well, so that more of them do not change it. */}}
{{- define "dox-asdlc.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if hasKey .Values "replicas" }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "dox-asdlc.selectorLabels" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* How Redis is reached: settings of a container, from global.redis. */}}
{{- define "dox-asdlc.redisEnv" -}}
- name: REDIS_HOST
  value: {{ .Values.global.redis.host | quote }}
- name: REDIS_PORT
  value: {{ .Values.global.redis.port | quote }}
{{- with .Values.global.redis.auth }}
{{- if .existingSecret }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .existingSecretKey }}
{{- end }}
{{- end }}
{{- end -}}

{{/* How Elasticsearch is reached: settings of a container, from global.elasticsearch. */}}
{{- define "dox-asdlc.elasticsearchEnv" -}}
- name: ES_HOST
  value: {{ .Values.global.elasticsearch.host | quote }}
- name: ES_PORT
  value: {{ .Values.global.elasticsearch.port | quote }}
{{- with .Values.global.elasticsearch.auth }}
{{- if .existingSecret }}
- name: ES_USERNAME
  value: {{ .username | quote }}
- name: ES_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .existingSecretKey }}
{{- end }}
{{- end }}
{{- end -}}
