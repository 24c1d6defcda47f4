{{/* Environment variables of the product's processes. */}}

{{/* Settings as a list of variables: dict "layers", a list of maps, of which the last one wins. */}}
{{- define "stentor.variables" -}}
{{- $all := dict -}}
{{- range $layer := .layers -}}
{{- range $name, $value := $layer }}{{ $_ := set $all $name $value }}{{ end -}}
{{- end -}}
{{- range $name, $value := $all }}
- name: {{ $name }}
  value: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
{{- end -}}
{{- end -}}

{{/* A variable out of the secret: dict "root" "variable" "key" "optional" */}}
{{- define "stentor.fromSecret" }}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef:
      name: {{ include "stentor.secret" .root }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end -}}

{{/* What every process is told: servers and keys. */}}
{{- define "stentor.servers" -}}
{{- $keys := .Values.secrets.keys -}}
{{- include "stentor.fromSecret" (dict "root" . "variable" "STENTOR_DATABASE_URL" "key" $keys.database) }}
{{- include "stentor.fromSecret" (dict "root" . "variable" "STENTOR_QUEUE_URL" "key" $keys.queue) }}
{{- include "stentor.fromSecret" (dict "root" . "variable" "STENTOR_STORE_URL" "key" $keys.store) }}
{{- include "stentor.fromSecret" (dict "root" . "variable" "STENTOR_SECRET_KEY" "key" $keys.secretKey) }}
{{- include "stentor.fromSecret" (dict "root" . "variable" "STENTOR_ADMIN_TOKEN" "key" $keys.adminToken "optional" true) }}
{{- end -}}

{{/* What tokens are signed with: auth alone. */}}
{{- define "stentor.signing" -}}
{{- $keys := .Values.secrets.keys -}}
{{- include "stentor.fromSecret" (dict "root" . "variable" "STENTOR_AUTH_SIGNING_KEY" "key" $keys.signingKey) }}
{{- include "stentor.fromSecret" (dict "root" . "variable" "STENTOR_AUTH_PREVIOUS_KEYS" "key" $keys.previousKeys "optional" true) }}
{{- end -}}

{{/* The platform's own part, as YAML of a map: dict "root" "shutdownSeconds" */}}
{{- define "stentor.platform" -}}
STENTOR_HOST: "0.0.0.0"
STENTOR_PORT: "8000"
STENTOR_DATA_DIR: /data
STENTOR_SHUTDOWN_SECONDS: {{ .shutdownSeconds | quote }}
STENTOR_AUTH_URL: {{ printf "http://%s-auth:8000" (include "stentor.name" .root) }}
{{- with include "stentor.publicUrl" .root }}
STENTOR_PUBLIC_URL: {{ . | quote }}
{{- end }}
{{- if .root.Values.ingress.enabled }}
STENTOR_FORWARDED_ALLOW_IPS: {{ join "," (prepend .root.Values.ingress.trustedProxies "127.0.0.1") | quote }}
{{- end }}
{{- end -}}

{{/* What a capability serves, as YAML of a map: dict "root" "capability" "models" */}}
{{- define "stentor.served" -}}
{{- if eq .capability "tts" }}
STENTOR_TTS_VOICES: {{ .models | toJson }}
{{- else if has .capability (list "stt" "summarize") }}
STENTOR_{{ upper .capability }}_MODELS: {{ .models | toJson }}
{{- else if eq .capability "deploy" }}
{{- include "stentor.asPods" .root }}
{{- else }}
{}
{{- end }}
{{- end -}}

{{/* How users' models become pods, as YAML of a map. */}}
{{- define "stentor.asPods" -}}
{{- $models := .Values.models }}
{{- /* Only the store, of all servers that may be here. */}}
{{- $store := dict
      "to" (list (dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" .Release.Namespace))))
      "ports" (list (dict "port" 9000 "protocol" "TCP")) }}
{{- /* Wherever they may go: with names. */}}
{{- $dns := dict
      "to" (list (dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" "kube-system"))))
      "ports" (list (dict "port" 53 "protocol" "UDP") (dict "port" 53 "protocol" "TCP")) }}
{{- $egress := prepend (default (list $store) $models.egress) $dns }}
STENTOR_DEPLOY_DRIVER: kubernetes
STENTOR_DEPLOY_FOLDER: /data/deploy
STENTOR_DEPLOY_KUBERNETES_NAMESPACE: {{ $models.namespace }}
STENTOR_DEPLOY_KUBERNETES_INSTANCE: {{ include "stentor.name" . }}
STENTOR_DEPLOY_KUBERNETES_IMAGE: {{ include "stentor.image" (dict "root" . "image" .Values.services.deploy.image) | quote }}
STENTOR_DEPLOY_KUBERNETES_IMAGE_PULL_POLICY: {{ .Values.images.pullPolicy }}
STENTOR_DEPLOY_KUBERNETES_IMAGE_PULL_SECRETS: {{ .Values.images.pullSecrets | toJson }}
STENTOR_DEPLOY_KUBERNETES_RUNTIME_CLASS: {{ $models.runtimeClass | quote }}
STENTOR_DEPLOY_KUBERNETES_NODE_SELECTOR: {{ $models.nodeSelector | toJson }}
STENTOR_DEPLOY_KUBERNETES_TOLERATIONS: {{ $models.tolerations | toJson }}
STENTOR_DEPLOY_KUBERNETES_GPU_RESOURCE: {{ $models.gpuResource }}
STENTOR_DEPLOY_KUBERNETES_GPU_NODES: {{ $models.gpuNodes | toJson }}
STENTOR_DEPLOY_KUBERNETES_GATEWAY_NAMESPACE: {{ .Release.Namespace }}
STENTOR_DEPLOY_KUBERNETES_GATEWAY_LABELS: {{ dict "app.kubernetes.io/instance" .Release.Name "stentor/calls-models" "yes" | toJson }}
STENTOR_DEPLOY_KUBERNETES_EGRESS: {{ $egress | toJson }}
{{- end -}}

{{/* Addresses of the object store as models' pods may use it. */}}
{{- define "stentor.storesOfModels" -}}
{{- with .Values.models.storeKey }}
{{- include "stentor.fromSecret" (dict "root" $ "variable" "STENTOR_DEPLOY_KUBERNETES_STORE_URL" "key" .) }}
{{- end }}
{{- with .Values.models.buildStoreKey }}
{{- include "stentor.fromSecret" (dict "root" $ "variable" "STENTOR_DEPLOY_KUBERNETES_BUILD_STORE_URL" "key" .) }}
{{- end }}
{{- end -}}

{{/* What a pool's workers are told about their models, as YAML of a map: dict "root" "pool" "models" */}}
{{- define "stentor.worker" -}}
{{- $prefix := printf "STENTOR_%s" (upper .pool.capability) -}}
{{- include "stentor.served" (dict "root" .root "capability" .pool.capability "models" .models) }}
{{- if has .pool.capability (list "stt" "tts" "summarize") }}
{{ $prefix }}_DEVICE: {{ .pool.device }}
{{ $prefix }}_MODEL_DIR: /models
{{- if .pool.preload }}
{{- $load := list }}
{{- range .models }}
{{- /* What a worker loads is a model; a voice may be an object, or name a speaker of one. */}}
{{- $load = append $load (kindIs "map" . | ternary (printf "%v:%v" (get (kindIs "map" . | ternary . dict) "engine") (get (kindIs "map" . | ternary . dict) "model")) (regexReplaceAll "#.*$" (toString .) "")) }}
{{- end }}
{{ $prefix }}_PRELOAD: {{ uniq $load | toJson }}
{{ $prefix }}_IDLE_UNLOAD_SECONDS: "-1"
{{- end }}
{{- if and .root.Values.modelCache.prepull.enabled .root.Values.modelCache.prepull.workersOffline }}
{{ $prefix }}_OFFLINE: "true"
{{- end }}
{{- if .pool.batch }}
{{ $prefix }}_BATCH: {{ .pool.batch | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What a pool serves, as JSON: its models, or all of its capability. */}}
{{- define "stentor.modelsOfPool" -}}
{{- $service := get .root.Values.services .pool.capability -}}
{{- $all := list -}}
{{- if eq .pool.capability "tts" }}{{ $all = $service.voices }}{{ else if hasKey $service "models" }}{{ $all = $service.models }}{{ end -}}
{{- range .pool.models -}}
{{- if not (has . $all) }}{{ fail (printf "pools.%s serves %v, which services.%s does not list" $.name . $.pool.capability) }}{{ end -}}
{{- end -}}
{{- if and .pool.models (not (has .pool.capability (list "stt" "tts" "summarize"))) -}}
{{- fail (printf "pools.%s: workers of %s take no models" .name .pool.capability) -}}
{{- end -}}
{{- default $all .pool.models | toJson -}}
{{- end -}}
