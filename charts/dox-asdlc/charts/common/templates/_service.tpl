{{/*
A Service with one port, from {root, name, port, portName, labels, annotations, headless, fields, ports}. Labels, by default those of
the chart, and further fields and ports are YAML. A headless one names pods, and lets them find each other before they are ready.
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
  {{- with .fields }}{{ . | nindent 2 }}{{ end }}
  selector:
    {{- include "dox-asdlc.podLabels" .root | nindent 4 }}
  ports:
    - name: {{ .portName }}
      port: {{ .port }}
      targetPort: {{ .portName }}
      protocol: TCP
    {{- with .ports }}{{ . | nindent 4 }}{{ end }}
{{- end -}}
