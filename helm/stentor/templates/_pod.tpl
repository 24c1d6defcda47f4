{{/* The one kind of pod that all processes of the product are. */}}

{{/* dict "root" "component" "image" "args" "env" "resources" "place" "grace" "serviceAccount" "models" "labels" "job" */}}
{{- define "stentor.pod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "stentor.labels" $root | nindent 4 }}
    {{- include "stentor.selector" (dict "root" $root "component" .component) | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ .serviceAccount | default "default" }}
  automountServiceAccountToken: {{ not (empty .serviceAccount) }}
  enableServiceLinks: false
  {{- with $root.Values.images.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- if .job }}
  restartPolicy: OnFailure
  {{- end }}
  terminationGracePeriodSeconds: {{ .grace }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- include "stentor.place" . | nindent 2 }}
  containers:
    - name: {{ .container | default "stentor" }}
      image: {{ include "stentor.image" (dict "root" $root "image" .image) | quote }}
      imagePullPolicy: {{ $root.Values.images.pullPolicy }}
      args: {{ .args | toJson }}
      env:
        {{- .env | trim | nindent 8 }}
        - name: HOME
          value: /tmp
        {{- if .models }}
        - name: HF_HOME
          value: /models/hub
        {{- end }}
      {{- if not .job }}
      ports:
        - {name: http, containerPort: 8000, protocol: TCP}
      startupProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 2
        timeoutSeconds: 5
        # Loading the models is part of a worker's start.
        failureThreshold: {{ ternary 450 60 (default false .models) }}
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 10
        timeoutSeconds: 10
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 2
      {{- if $root.Values.drainSeconds }}
      lifecycle:
        preStop:
          sleep: {seconds: {{ $root.Values.drainSeconds }}}
      {{- end }}
      {{- end }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      securityContext:
        allowPrivilegeEscalation: false
        privileged: false
        readOnlyRootFilesystem: true
        runAsNonRoot: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: data, mountPath: /data}
        - {name: tmp, mountPath: /tmp}
        {{- if .models }}
        - {name: models, mountPath: /models}
        {{- end }}
  volumes:
    - name: data
      emptyDir: {}
    - name: tmp
      emptyDir: {}
    {{- if .models }}
    - name: models
      {{- $cache := $root.Values.modelCache }}
      {{- if eq $cache.kind "none" }}
      emptyDir: {}
      {{- else }}
      persistentVolumeClaim:
        claimName: {{ include "stentor.modelClaim" $root }}
      {{- end }}
    {{- end }}
{{- end -}}

{{/* Where a pod runs: dict "root" "component" "place", which holds what values say. */}}
{{- define "stentor.place" -}}
{{- $place := default dict .place -}}
{{- with $place.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $place.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $place.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $place.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $place.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if and .root.Values.topologySpread (not .job) }}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $.root.Values.topologySpread }}
    # Nodes that are kept for others, such as those with accelerators, are none that stay empty.
    nodeTaintsPolicy: Honor
    labelSelector:
      matchLabels:
        {{- include "stentor.selector" (dict "root" $.root "component" $.component) | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end -}}

{{- define "stentor.modelClaim" -}}
{{- if eq .Values.modelCache.kind "existing" -}}
{{- required "modelCache.existingClaim must name a claim" .Values.modelCache.existingClaim -}}
{{- else -}}
{{- printf "%s-models" (include "stentor.name" .) -}}
{{- end -}}
{{- end -}}

{{- define "stentor.budget" -}}
{{- if .root.Values.podDisruptionBudgets }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "stentor.name" .root }}-{{ .component }}
  labels:
    {{- include "stentor.labels" .root | nindent 4 }}
spec:
  maxUnavailable: 1
  # Pods that do not work anyhow are never in the way of a drain.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "stentor.selector" . | nindent 6 }}
{{- end }}
{{- end -}}
