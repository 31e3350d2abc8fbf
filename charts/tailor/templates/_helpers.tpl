{{- define "tailor.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "tailor.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "tailor.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "tailor.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* Of objects that are not in a namespace, so that two releases do not fight for one. */ -}}
{{- define "tailor.clusterName" -}}
{{- $name := include "tailor.fullname" . }}
{{- ternary $name (printf "%s-%s" $name .Release.Namespace) (eq $name .Release.Namespace) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "tailor.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tailor.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tailor.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "tailor.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tailor.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "tailor.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.create is off: set serviceAccount.name" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "tailor.image" -}}
{{- $image := .Values.image }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{- /* The file that the controller reads: what the chart decides, and the settings of the user. */ -}}
{{- define "tailor.settings" -}}
{{- $fullname := include "tailor.fullname" . }}
{{- $ours := dict
  "leader-elect" true
  "lease-namespace" .Release.Namespace
  "lease-name" $fullname
  "listen" (printf "0.0.0.0:%d" (int .Values.metrics.port))
}}
{{- with .Values.prometheus.url }}{{ $_ := set $ours "prometheus-url" . }}{{ end }}
{{- with .Values.watchNamespace }}{{ $_ := set $ours "namespace" . }}{{ end }}
{{- if not .Values.watchNodes }}{{ $_ := set $ours "watch-nodes" false }}{{ end }}
{{- if eq .Values.admission.mode "webhook" }}
{{- $ours = merge $ours (dict
  "admission" "webhook"
  "webhook-listen" (printf "0.0.0.0:%d" (int .Values.admission.webhook.port))
  "webhook-configuration" (include "tailor.clusterName" .)
  "webhook-service" $fullname
  "webhook-secret" (printf "%s-webhook" $fullname)
) }}
{{- end }}
{{- $values := dict
  "prometheus-url" "prometheus.url"
  "namespace" "watchNamespace"
  "watch-nodes" "watchNodes"
  "listen" "metrics.port"
  "admission" "admission.mode"
  "webhook-listen" "admission.webhook.port"
}}
{{- range $key, $_ := .Values.settings }}
{{- if hasKey $values $key }}
{{- fail (printf "settings.%s is given by the value %s: set that one" $key (get $values $key)) }}
{{- else if or (hasKey $ours $key) (eq $key "config") }}
{{- fail (printf "settings.%s is decided by the chart: leave it out" $key) }}
{{- end }}
{{- end }}
{{- toYaml (merge $ours .Values.settings) }}
{{- end }}

{{- /* Says what does not go together. */ -}}
{{- define "tailor.check" -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled }}
{{- fail "metrics.serviceMonitor and metrics.podMonitor would count everything twice: enable one of them" }}
{{- end }}
{{- end }}
