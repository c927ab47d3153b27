{{/*
The Deployment, Service and PodDisruptionBudget of an application. The chart that depends on this one includes it, with the
subchart's context (.Subcharts.NAME): it alone knows the stores' names and ports.
*/}}
{{- define "dox-asdlc.application" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "dox-asdlc.fullname" . }}
  labels:
    {{- include "dox-asdlc.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels:
      {{- include "dox-asdlc.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "dox-asdlc.selectorLabels" . | nindent 8 }}
        {{- with .Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- $prometheus := include "dox-asdlc.prometheusAnnotations" (.Values.prometheus | default dict) | fromYaml }}
      {{- with merge (deepCopy .Values.podAnnotations) $prometheus }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      automountServiceAccountToken: false
      {{- with include "dox-asdlc.placement" . | trim }}{{ . | nindent 6 }}{{ end }}
      securityContext:
        {{- toYaml .Values.podSecurityContext | nindent 8 }}
      containers:
        - name: {{ .Chart.Name }}
          image: {{ include "dox-asdlc.image" .Values.image }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          {{- with .Values.args }}
          args:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          ports:
            - name: http
              containerPort: {{ .Values.port }}
              protocol: TCP
          env:
            - name: PORT
              value: {{ .Values.port | quote }}
            {{- include "dox-asdlc.redisEnv" . | nindent 12 }}
            {{- include "dox-asdlc.elasticsearchEnv" . | nindent 12 }}
            {{- with .Values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          readinessProbe:
            httpGet:
              path: /health
              port: http
            periodSeconds: 10
            timeoutSeconds: 5
          livenessProbe:
            httpGet:
              path: /health
              port: http
            initialDelaySeconds: 15
            periodSeconds: 20
            timeoutSeconds: 5
          resources:
            {{- toYaml .Values.resources | nindent 12 }}
          securityContext:
            {{- toYaml .Values.securityContext | nindent 12 }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "dox-asdlc.fullname" . }}
  labels:
    {{- include "dox-asdlc.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  selector:
    {{- include "dox-asdlc.selectorLabels" . | nindent 4 }}
  ports:
    - name: http
      port: {{ .Values.port }}
      targetPort: http
      protocol: TCP
{{- with include "dox-asdlc.podDisruptionBudget" . }}
---
{{ . }}
{{- end }}
{{- end -}}
