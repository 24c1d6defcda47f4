{{/* Pools of capabilities that are on, each with what it says over the defaults, as JSON. */}}
{{- define "stentor.pools" -}}
{{- $found := dict -}}
{{- range $name, $pool := .Values.pools -}}
{{- if and $pool (get $.Values.services $pool.capability).enabled -}}
{{- $_ := set $found $name (include "stentor.over" (dict "under" $.Values.poolDefaults "over" $pool) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* One map over another, as JSON: dict "under" "over". Unlike `merge` it takes false and 0 for values. */}}
{{- define "stentor.over" -}}
{{- $all := deepCopy .under -}}
{{- range $key, $value := .over -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $all $key)) -}}
{{- $_ := set $all $key (include "stentor.over" (dict "under" (get $all $key) "over" $value) | fromJson) -}}
{{- else -}}
{{- $_ := set $all $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}

{{/* Fails where a model is offered that no pool serves: its jobs would wait for ever. */}}
{{- define "stentor.everyModelIsServed" -}}
{{- $pools := include "stentor.pools" . | fromJson -}}
{{- range $capability := splitList "," (include "stentor.apis" .) -}}
{{- $served := list -}}
{{- $own := get $.Values.services $capability -}}
{{- $workers := 0 -}}
{{- range $name, $pool := $pools -}}
{{- if eq $pool.capability $capability -}}
{{- $workers = add1 $workers -}}
{{- $served = concat $served (include "stentor.modelsOfPool" (dict "root" $ "name" $name "pool" $pool) | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- if not $workers }}{{ fail (printf "services.%s is on and no pool has that capability" $capability) }}{{ end -}}
{{- range default list (ternary $own.voices $own.models (eq $capability "tts")) -}}
{{- if not (has . $served) }}{{ fail (printf "services.%s lists %v, which no pool serves" $capability .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
