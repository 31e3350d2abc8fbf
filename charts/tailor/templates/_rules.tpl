{{- /* What Tailor does in the namespaces that it watches. docs/running.md lists the same. */ -}}
{{- define "tailor.rules.watched" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [limitranges]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods/resize]
  verbs: [patch]
{{- /* While nothing sizes new Pods, none is evicted for its size. */}}
{{- if and (not .Values.inPlaceOnly) (ne .Values.admission.mode "off") }}
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
{{- end }}
- apiGroups: [""]
  resources: [events]
  verbs: [create]
- apiGroups: [apps]
  resources: [deployments, replicasets, statefulsets, daemonsets]
  verbs: [list, watch]
- apiGroups: [batch]
  resources: [jobs, cronjobs]
  verbs: [list, watch]
- apiGroups: [autoscaling.tailor.dev]
  resources: [verticalresizepolicies]
  verbs: [list, watch]
- apiGroups: [autoscaling.tailor.dev]
  resources: [verticalresizepolicies/status]
  verbs: [patch]
{{- if dig "checkpoints" true .Values.settings }}
- apiGroups: [autoscaling.tailor.dev]
  resources: [verticalresizecheckpoints]
  verbs: [list, create, patch, delete]
{{- end }}
{{- /* While Prometheus is down too. */}}
{{- if dig "fallback" true .Values.settings }}
- apiGroups: [metrics.k8s.io]
  resources: [pods]
  verbs: [list]
{{- end }}
{{- if not (or .Values.prometheus.url (eq (toString (dig "prometheus-discovery" "all" .Values.settings)) "off")) }}
- apiGroups: [""]
  resources: [services]
  verbs: [list]
{{- end }}
{{- range .Values.rbac.scaleTargets }}
- apiGroups: [{{ .apiGroup | quote }}]
  resources: [{{ .resource }}/scale]
  verbs: [get]
{{- end }}
{{- end }}

{{- /* What no Role can give. */ -}}
{{- define "tailor.rules.cluster" -}}
{{- if .Values.watchNodes }}
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
{{- end }}
{{- if eq .Values.admission.mode "webhook" }}
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations]
  resourceNames: [{{ include "tailor.clusterName" . }}]
  verbs: [get, list, watch, patch]
{{- end }}
{{- if not .Values.watchNamespace }}
{{ include "tailor.rules.watched" . }}
{{- end }}
{{- end }}

{{- /* What Tailor does in its own namespace. */ -}}
{{- define "tailor.rules.own" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "tailor.fullname" . }}]
  verbs: [get, update]
{{- if eq .Values.admission.mode "webhook" }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "tailor.fullname" . }}-webhook]
  verbs: [list, watch, update]
{{- end }}
{{- end }}

{{- /* A Role with one of the sets of rules above, and its binding. */ -}}
{{- define "tailor.role" -}}
{{- $name := printf "%s-%s" (include "tailor.fullname" .root) .name }}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "tailor.labels" .root | nindent 4 }}
rules:
{{ include (printf "tailor.rules.%s" .name) .root }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "tailor.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $name }}
subjects:
- kind: ServiceAccount
  name: {{ include "tailor.serviceAccount" .root }}
  namespace: {{ .root.Release.Namespace }}
{{- end }}
