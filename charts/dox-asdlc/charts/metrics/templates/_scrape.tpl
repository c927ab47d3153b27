{{/* scrape.yaml. The checksum of this alone is in the pod's annotations: another version of the chart restarts nothing. */}}
{{- define "dox-asdlc.metrics.scrapeConfig" -}}
{{- $tls := .Values.vmagent.tls -}}
global:
  scrape_interval: {{ .Values.vmagent.scrapeInterval }}
scrape_configs:
  # Every pod of this namespace that asks for it, at the one port that it names.
  - job_name: pods
    kubernetes_sd_configs:
      - role: pod
        namespaces:
          names: [{{ .Release.Namespace | quote }}]
    {{- if or $tls.existingSecret $tls.serverName $tls.insecureSkipVerify }}
    # Of those that ask for HTTPS.
    tls_config:
      {{- if $tls.existingSecret }}
      ca_file: /etc/vmagent-tls/{{ $tls.caKey }}
      {{- end }}
      {{- with $tls.serverName }}
      server_name: {{ . | quote }}
      {{- end }}
      {{- if $tls.insecureSkipVerify }}
      insecure_skip_verify: true
      {{- end }}
    {{- end }}
    relabel_configs:
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape]
        action: keep
        regex: "true"
      # Another release of this chart has a vmagent of its own.
      - if: '{__meta_kubernetes_pod_label_app_kubernetes_io_part_of="dox-asdlc",__meta_kubernetes_pod_label_app_kubernetes_io_instance!="{{ .Release.Name }}"}'
        action: drop
      - source_labels: [__meta_kubernetes_pod_phase]
        action: keep
        regex: Running
      - source_labels:
          - __meta_kubernetes_pod_annotation_prometheus_io_port
          - __meta_kubernetes_pod_container_port_number
        action: keep_if_equal
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_path]
        action: replace
        regex: (.+)
        target_label: __metrics_path__
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scheme]
        action: replace
        regex: (https?)
        target_label: __scheme__
      - source_labels: [__meta_kubernetes_namespace]
        target_label: namespace
      - source_labels: [__meta_kubernetes_pod_name]
        target_label: pod
      - source_labels: [__meta_kubernetes_pod_container_name]
        target_label: container
      - source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_name]
        target_label: app
{{- end -}}
