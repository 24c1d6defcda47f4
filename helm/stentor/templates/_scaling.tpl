{{/* Workers by the length of their queues: dict "root" "name" "pool" "component" "models" */}}
{{- define "stentor.queueScaling" -}}
{{- $scale := .pool.autoscaling -}}
{{- $queues := splitList "," (include "stentor.queues" .) }}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ include "stentor.name" .root }}-{{ .component }}
  labels:
    {{- include "stentor.labels" .root | nindent 4 }}
spec:
  scaleTargetRef:
    name: {{ include "stentor.name" .root }}-{{ .component }}
  minReplicaCount: {{ $scale.min }}
  maxReplicaCount: {{ $scale.max }}
  pollingInterval: {{ $scale.pollSeconds }}
  cooldownPeriod: {{ $scale.cooldownSeconds }}
  # While the broker's API does not answer.
  fallback:
    failureThreshold: 3
    replicas: {{ max 1 $scale.min }}
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
    {{- range $queue := $queues }}
    - type: rabbitmq
      metadata:
        # Over HTTP messages count that are being worked on, too: nobody who works is sent away.
        protocol: http
        queueName: {{ $queue }}
        mode: QueueLength
        value: {{ $scale.jobsPerPod | quote }}
        activationValue: "0"
        excludeUnacknowledged: "false"
      authenticationRef:
        name: {{ include "stentor.name" $.root }}-broker
    {{- end }}
{{- end -}}

{{/* Names of the queues. A model's may be another one than the model's in values (`large-v3` is a short name for one
     of the hub), so the queues of models are said and not guessed. */}}
{{- define "stentor.queues" -}}
{{- $given := .pool.autoscaling.queues -}}
{{- if $given -}}
{{- join "," $given -}}
{{- else if eq .pool.capability "pipelines" -}}
pipelines.run
{{- else if eq .pool.capability "deploy" -}}
deploy.build,deploy.predict
{{- else -}}
{{- fail (printf "pools.%s.autoscaling.queues must name the queues: %s.MODEL, with the model's id in GET /v1/models and `-` for each `/` and `:` in it" .name .pool.capability) -}}
{{- end -}}
{{- end -}}
