{{/* Which API answers what lies below a path, as a list in JSON; of several the longest path wins. */}}
{{- define "stentor.routes" -}}
{{- $apis := splitList "," (include "stentor.apis" .) -}}
{{- $paths := dict
      "auth" (list "/v1/users" "/v1/token" "/v1/tokens" "/.well-known/jwks.json" "/users" "/token" "/api/v1")
      "stt" (list "/v1/transcriptions" "/v1/uploads" "/v1/vocabularies" "/v1/audio/transcriptions"
        "/v1/audio/translations" "/v1/listen" "/v1/realtime" "/v1/stt" "/v2/upload" "/v2/transcript" "/speech-to-text"
        "/endpoints/whisper" "/api/v1/stt" "/api/v1/mic")
      "tts" (list "/v1/speech" "/v1/voices" "/v1/audio/speech" "/v1/audio/voices" "/v1/tts" "/text-to-speech")
      "summarize" (list "/v1/summaries" "/summarization")
      "pipelines" (list "/v1/pipelines")
      "deploy" (list "/v1/deployments" "/v1/predictions" "/model-deployment" "/endpoints" "/v2" "/algorithms" "/models"
        "/v1/models")
-}}
{{- /* The catalog is everybody's; `/v1/models/NAME:predict`, which no prefix tells from it, is the deploy API's alone. */ -}}
{{- $routes := list -}}
{{- range $api := prepend $apis "auth" }}
{{- range $path := get $paths $api }}
{{- $routes = append $routes (dict "path" $path "api" $api) }}
{{- end }}
{{- end }}
{{- append $routes (dict "path" "/v1" "api" (first $apis)) | toJson -}}
{{- end -}}
