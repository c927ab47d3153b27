{{/*
What the store's own Service gets with the sidecar on. A pod is ready only when all its containers are, so a sick sidecar
would take the store's ports out of service: not-ready pods are published too. docs/architecture.md weighs the other ways.
*/}}
{{- define "dox-asdlc.mcp-sidecar.storeService" -}}
{{- if .Values.mcpSidecar.enabled -}}
publishNotReadyAddresses: true
{{- end -}}
{{- end -}}

{{- define "dox-asdlc.mcp-sidecar.storeServicePort" -}}
{{- if .Values.mcpSidecar.enabled -}}
- name: mcp
  port: {{ .Values.mcpSidecar.port }}
  targetPort: mcp
  protocol: TCP
{{- end -}}
{{- end -}}

{{/* The sidecar's own Service: it leads to a sidecar only while its pod is ready. Clients should use this one. */}}
{{- define "dox-asdlc.mcp-sidecar.service" -}}
{{- if .Values.mcpSidecar.enabled -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "dox-asdlc.mcp-sidecar.name" . | quote }}
  labels:
    {{- include "dox-asdlc.labels" . | nindent 4 }}
    app.kubernetes.io/component: mcp-sidecar
spec:
  type: ClusterIP
  {{- with include "dox-asdlc.ipFamilies" . | trim }}{{ . | nindent 2 }}{{ end }}
  selector:
    {{- include "dox-asdlc.selectorLabels" . | nindent 4 }}
  ports:
    - name: mcp
      port: {{ .Values.mcpSidecar.port }}
      targetPort: mcp
      protocol: TCP
{{- end -}}
{{- end -}}
