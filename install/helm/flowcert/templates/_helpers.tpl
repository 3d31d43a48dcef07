{{/* The manifests are those of kustomize, and of "flowcert manifests": templates only set values in them. */}}

{{/* A manifest, in a namespace. Takes root, file and namespace. */}}
{{- define "flowcert.manifest" -}}
{{- $obj := .root.Files.Get (printf "manifests/%s.yaml" .file) | fromYaml -}}
{{- $_ := set $obj.metadata "namespace" .namespace -}}
{{- include "flowcert.bound" (dict "root" .root "obj" $obj) -}}
{{- toYaml $obj }}
{{- end }}

{{/* A manifest for the whole cluster: its name ends in the release's namespace. Takes root and file. */}}
{{- define "flowcert.cluster" -}}
{{- $root := .root -}}
{{- $obj := $root.Files.Get (printf "manifests/%s.yaml" .file) | fromYaml -}}
{{- $_ := set $obj.metadata "name" (printf "%s-%s" $obj.metadata.name $root.Release.Namespace) -}}
{{- if $obj.roleRef -}}
{{- $_ := set $obj.roleRef "name" (printf "%s-%s" $obj.roleRef.name $root.Release.Namespace) -}}
{{- end -}}
{{- range $obj.rules -}}
{{- if has "admissionregistration.k8s.io" .apiGroups -}}
{{- $_ := set . "resourceNames" (list (printf "flink-operator-%s-webhook-configuration" $root.Values.webhook.namespace)) -}}
{{- end -}}
{{- end -}}
{{- include "flowcert.bound" (dict "root" $root "obj" $obj) -}}
{{- toYaml $obj }}
{{- end }}

{{/* Binds a role to the ServiceAccount in the release's namespace. Takes root and obj. */}}
{{- define "flowcert.bound" -}}
{{- $root := .root -}}
{{- range .obj.subjects -}}
{{- $_ := set . "namespace" $root.Release.Namespace -}}
{{- end -}}
{{- end }}

{{/* Sets what the values say of a pod. Takes root and pod: the template of one. */}}
{{- define "flowcert.pod" -}}
{{- $values := .root.Values -}}
{{- $spec := .pod.spec -}}
{{- range $spec.containers -}}
{{- $_ := set . "image" ($values.image | default (printf "localhost/flowcert:%s" $.root.Chart.AppVersion)) -}}
{{- $_ := set . "resources" $values.resources -}}
{{- range .env -}}
{{- if eq .name "GOMEMLIMIT" }}{{ $_ := set . "value" $values.goMemLimit }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range $field := list "imagePullSecrets" "priorityClassName" "nodeSelector" "tolerations" -}}
{{- with index $values $field }}{{ $_ := set $spec $field . }}{{ end -}}
{{- end -}}
{{- with $values.podAnnotations }}{{ $_ := set $.pod.metadata "annotations" . }}{{ end -}}
{{- end }}

{{- define "flowcert.labels" -}}
app.kubernetes.io/name: flowcert
{{- with .Values.monitoring.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}
