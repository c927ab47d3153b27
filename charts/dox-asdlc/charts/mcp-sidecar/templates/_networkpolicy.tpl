{{/*
Admits only chosen peers to the sidecar's port. A pod that any policy selects takes nothing that no policy admits, so the
store's own ports, a list, are admitted here for the pods of the release and other chosen peers. Further containers have their ports
admitted like the store, or like the server where there is none.
*/}}
{{- define "dox-asdlc.mcp-sidecar.networkPolicy" -}}
{{- $sidecar := .root.Values.mcpSidecar -}}
{{- $further := list -}}
{{- range concat (.root.Values.initContainers | default list) (.root.Values.extraContainers | default list) }}{{ range .ports }}{{ $further = append $further (dict "port" .containerPort "protocol" (.protocol | default "TCP")) }}{{ end }}{{ end -}}
{{- if and $sidecar.enabled $sidecar.networkPolicy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "dox-asdlc.mcp-sidecar.name" .root | quote }}
  labels:
    {{- include "dox-asdlc.labels" .root | nindent 4 }}
    app.kubernetes.io/component: mcp-sidecar
spec:
  podSelector:
    matchLabels:
      {{- include "dox-asdlc.podLabels" .root | nindent 6 }}
  policyTypes:
    - Ingress
  {{- if or .ports $sidecar.networkPolicy.from $sidecar.prometheus.enabled }}
  ingress:
    {{- if .ports }}
    - ports:
        {{- range .ports }}
        - port: {{ . }}
          protocol: TCP
        {{- end }}
        {{- with $further }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if not $sidecar.networkPolicy.storeFromAll }}
      from:
        - podSelector:
            matchLabels:
              app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
        {{- toYaml $sidecar.networkPolicy.storeFrom | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- with $sidecar.networkPolicy.from }}
    - from:
        {{- toYaml . | nindent 8 }}
      ports:
        - port: mcp
          protocol: TCP
        {{- if and $further (not $.ports) }}
        {{- toYaml $further | nindent 8 }}
        {{- end }}
    {{- end }}
    {{- if $sidecar.prometheus.enabled }}
    - from:
        - podSelector:
            matchLabels:
              app.kubernetes.io/name: metrics
              app.kubernetes.io/component: vmagent
              app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
      ports:
        - port: mcp
          protocol: TCP
    {{- end }}
  {{- end }}
{{- end -}}
{{- end -}}
