{{/* A throw-away server, one pod with a volume: dict "root" "name" "image" "uid" "ports" "folder" "env" "args" "mounts"
     "volumes" "probe" */}}
{{- define "stentor.server" -}}
{{- $root := .root -}}
{{- $full := printf "%s-%s" (include "stentor.name" $root) .name }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $full }}
  labels:
    {{- include "stentor.labels" $root | nindent 4 }}
spec:
  clusterIP: None
  selector:
    {{- include "stentor.serverSelector" . | nindent 4 }}
  ports:
    {{- range $name, $port := .ports }}
    - {name: {{ $name }}, port: {{ $port }}, targetPort: {{ $name }}, protocol: TCP}
    {{- end }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $full }}
  labels:
    {{- include "stentor.labels" $root | nindent 4 }}
    {{- include "stentor.serverSelector" . | nindent 4 }}
spec:
  serviceName: {{ $full }}
  replicas: 1
  selector:
    matchLabels:
      {{- include "stentor.serverSelector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "stentor.labels" $root | nindent 8 }}
        {{- include "stentor.serverSelector" . | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 60
      securityContext:
        runAsNonRoot: true
        runAsUser: {{ .uid }}
        runAsGroup: {{ .uid }}
        fsGroup: {{ .uid }}
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: {{ .name }}
          image: {{ .image | quote }}
          {{- with .args }}
          args: {{ . | toJson }}
          {{- end }}
          env:
            {{- .env | trim | nindent 12 }}
          ports:
            {{- range $name, $port := .ports }}
            - {name: {{ $name }}, containerPort: {{ $port }}, protocol: TCP}
            {{- end }}
          {{- range $kind := list "startupProbe" "livenessProbe" "readinessProbe" }}
          {{ $kind }}:
            {{- toYaml $.probe | nindent 12 }}
            periodSeconds: 10
            timeoutSeconds: 10
            failureThreshold: {{ ternary 30 6 (eq $kind "startupProbe") }}
          {{- end }}
          resources:
            {{- toYaml $root.Values.devServers.resources | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            privileged: false
            readOnlyRootFilesystem: true
            runAsNonRoot: true
            capabilities: {drop: [ALL]}
          volumeMounts:
            - {name: data, mountPath: {{ .folder }}}
            - {name: tmp, mountPath: /tmp}
            {{- range .mounts }}
            - {{ toJson . }}
            {{- end }}
      volumes:
        - name: tmp
          emptyDir: {}
        {{- range .volumes }}
        - {{ toJson . }}
        {{- end }}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $root.Values.devServers.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests: {storage: {{ $root.Values.devServers.size }}}
{{- end -}}

{{- define "stentor.serverSelector" -}}
app.kubernetes.io/name: stentor-server
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{/* A variable out of the made-up secret: dict "root" "variable" "key" */}}
{{- define "stentor.madeUp" }}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef: {name: {{ include "stentor.name" .root }}-servers, key: {{ .key }}}
{{- end -}}
