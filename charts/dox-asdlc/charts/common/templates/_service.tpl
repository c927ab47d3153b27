{{/*
A Service with one port, from {root, name, port, portName, labels, selector, annotations, headless}. Labels and selector are YAML,
by default those of the chart. A headless one names pods, and lets them find each other before they are ready.
*/}}
{{- define "dox-asdlc.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name | quote }}
  labels:
    {{- .labels | default (include "dox-asdlc.labels" .root) | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: ClusterIP
  {{- with include "dox-asdlc.ipFamilies" .root | trim }}{{ . | nindent 2 }}{{ end }}
  {{- if .headless }}
  clusterIP: None
  publishNotReadyAddresses: true
  {{- end }}
  selector:
    {{- .selector | default (include "dox-asdlc.podLabels" .root) | nindent 4 }}
  ports:
    - name: {{ .portName }}
      port: {{ .port }}
      targetPort: {{ .portName }}
      protocol: TCP
{{- end -}}
