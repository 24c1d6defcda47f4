{{/* Workers by the length of their queues: dict "root" "name" "pool" "component" "models" */}}
{{- define "stentor.queueScaling" -}}
{{- $scale := .pool.autoscaling -}}
{{- if gt (int $scale.min) (int $scale.max) }}
{{- fail (printf "pools.%s.autoscaling.min is %v, more than its max %v" .name $scale.min $scale.max) }}
{{- end }}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ include "stentor.name" .root }}-{{ .component }}
  labels:
    {{- include "stentor.labels" .root | nindent 4 }}
spec:
  # No `fallback`: while the broker's API does not answer, everybody stays. KEDA before 2.17 would at once bring a
  # pool to that number, whatever it works on.
  scaleTargetRef:
    name: {{ include "stentor.name" .root }}-{{ .component }}
  minReplicaCount: {{ $scale.min }}
  maxReplicaCount: {{ $scale.max }}
  pollingInterval: {{ $scale.pollSeconds }}
  cooldownPeriod: {{ $scale.cooldownSeconds }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleUp:
          stabilizationWindowSeconds: 0
          policies:
            - {type: Percent, value: 100, periodSeconds: 15}
            - {type: Pods, value: 4, periodSeconds: 15}
        scaleDown:
          stabilizationWindowSeconds: {{ $scale.cooldownSeconds }}
          policies:
            - {type: Pods, value: 1, periodSeconds: 60}
  triggers:
    - type: rabbitmq
      metadata:
        # Over HTTP messages count that are being worked on, too: nobody who works is sent away.
        protocol: http
        # All queues of the pool together. By a pattern, since one that is asked for by its name must be there, and a
        # queue is made with its first job.
        useRegex: "true"
        queueName: {{ printf "^(%s)$" (include "stentor.queues" . | fromJsonArray | join "|" | replace "." "\\.") | quote }}
        operation: sum
        mode: QueueLength
        value: {{ $scale.jobsPerPod | quote }}
        activationValue: "0"
        excludeUnacknowledged: "false"
      authenticationRef:
        name: {{ include "stentor.name" .root }}-broker
{{- end -}}

{{/* Names of the queues that a pool consumes, as JSON: each model has its own. */}}
{{- define "stentor.queues" -}}
{{- if eq .pool.capability "pipelines" -}}
["pipelines.run"]
{{- else if eq .pool.capability "deploy" -}}
["deploy.build","deploy.predict"]
{{- else -}}
{{- $queues := list -}}
{{- range .models -}}
{{- $model := include "stentor.modelCalled" (dict "root" $.root "capability" $.pool.capability "name" .) -}}
{{- $queue := printf "%s.%s" $.pool.capability (regexReplaceAll "[^A-Za-z0-9._-]+" $model "-") -}}
{{- if gt (len $queue) 64 }}{{ $queue = printf "%s-%s" (trunc 55 $queue) (trunc 8 (sha256sum $model)) }}{{ end -}}
{{- $queues = append $queues $queue -}}
{{- end -}}
{{- uniq $queues | toJson -}}
{{- end -}}
{{- end -}}

{{/* What the product calls a model, or the model of a voice: dict "root" "capability" "name", as in values. */}}
{{- define "stentor.modelCalled" -}}
{{- $known := get (.root.Files.Get "files/model-names.yaml" | fromYaml) .capability -}}
{{- if kindIs "map" .name -}}
{{- printf "%s:%s" .name.engine .name.model -}}
{{- else if eq .capability "tts" -}}
{{- get $known .name | default (regexReplaceAll "#.*$" .name "") -}}
{{- else if eq .capability "stt" -}}
{{- get $known .name | default (get $known (.name | trimPrefix "openai/" | trimPrefix "whisper-")) | default .name -}}
{{- else -}}
{{- $model := regexReplaceAll "^[^:]*:" .name "" -}}
{{- get $known (lower $model) | default $model -}}
{{- end -}}
{{- end -}}
