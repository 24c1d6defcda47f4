{{/* Names, labels and images. */}}

{{- define "stentor.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* What all objects have. */}}
{{- define "stentor.labels" -}}
app.kubernetes.io/part-of: stentor
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What pods of one kind are found by: dict "root" "component". Never changes. */}}
{{- define "stentor.selector" -}}
app.kubernetes.io/name: stentor
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* All pods of the product itself. */}}
{{- define "stentor.everybody" -}}
app.kubernetes.io/name: stentor
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* dict "root" "image" */}}
{{- define "stentor.image" -}}
{{- $images := .root.Values.images -}}
{{- $digest := get $images.digests .image -}}
{{- $place := printf "%s/stentor-%s" (trimSuffix "/" $images.registry) .image -}}
{{- if $digest }}{{ printf "%s@%s" $place $digest }}{{ else }}{{ printf "%s:%s" $place (default .root.Chart.AppVersion $images.tag) }}{{ end -}}
{{- end -}}

{{- define "stentor.secret" -}}
{{- if .Values.secrets.existing -}}
{{- .Values.secrets.existing -}}
{{- else if .Values.devServers.enabled -}}
{{- printf "%s-servers" (include "stentor.name" .) -}}
{{- else -}}
{{- fail "secrets.existing must name a secret with the addresses of the servers and the keys; for a trial set devServers.enabled" -}}
{{- end -}}
{{- end -}}

{{/* The APIs that are on, as a comma-separated list in the order of who answers what belongs to nobody. */}}
{{- define "stentor.apis" -}}
{{- $values := .Values.services -}}
{{- $found := list -}}
{{- range $name := list "stt" "tts" "summarize" "pipelines" "deploy" -}}
{{- if (get $values $name).enabled }}{{ $found = append $found $name }}{{ end -}}
{{- end -}}
{{- if not $found }}{{ fail "services: all of them are off" }}{{ end -}}
{{- join "," $found -}}
{{- end -}}

{{- define "stentor.publicUrl" -}}
{{- if .Values.publicUrl -}}
{{- .Values.publicUrl -}}
{{- else if and .Values.ingress.enabled .Values.ingress.hosts -}}
{{- $tls := or .Values.ingress.tls.enabled .Values.ingress.gateways -}}
{{- printf "%s://%s" (ternary "https" "http" (not (empty $tls))) (first .Values.ingress.hosts) -}}
{{- end -}}
{{- end -}}
