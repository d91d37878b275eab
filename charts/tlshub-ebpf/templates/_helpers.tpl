{{- define "tlshub.name" -}}
{{- default "tlshub" .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The release's name where that names the product already, else with the product's name behind it. */}}
{{- define "tlshub.fullname" -}}
{{- $name := include "tlshub.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tlshub.labels" -}}
app.kubernetes.io/name: {{ include "tlshub.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "tlshub.serviceAccountName" -}}
{{- default (ternary (include "tlshub.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "tlshub.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* "true" where the agent asks the API server for anything. */}}
{{- define "tlshub.asksTheApi" -}}
{{- if eq .Values.mapping.source "kubernetes" -}}true{{- end -}}
{{- end -}}

{{/* Where kubelet, which is on the node, reaches what listens on health.address. */}}
{{- define "tlshub.probeHost" -}}
{{- $address := .Values.health.address | trimPrefix "[" | trimSuffix "]" -}}
{{- get (dict "0.0.0.0" "127.0.0.1" "::" "::1") $address | default $address | quote -}}
{{- end -}}
