{{/* The images of this project by the kinds of their stores; a release has its registry and digests here. */}}
{{- define "dox-asdlc.mcp-sidecar.images" -}}
redis:
  repository: mcp/redis
  digest: ""
elasticsearch:
  repository: mcp/elasticsearch
  digest: ""
{{- end -}}
