// Prints the protobuf fields of the Kubernetes types that the embedded API server takes, one message a line, as
// src/sim/api_server/protobuf reads them: `core/v1.Pod 1 metadata =meta/v1.ObjectMeta;2 spec =core/v1.PodSpec`.
//
// A field is its number, its name in JSON and its type: s text, i whole number, f other number, b boolean, y bytes,
// =X message. `*` says that it repeats, `{` that it is a map of that type by text, `~` that the fields of the message
// stand in JSON among those of this one, and `?` that JSON leaves it out when it is empty.
package main

import (
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	apps "k8s.io/api/apps/v1"
	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	events "k8s.io/api/events/v1"
	policy "k8s.io/api/policy/v1"
	scheduling "k8s.io/api/scheduling/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var roots = []any{
	core.Pod{}, core.Node{}, core.Namespace{}, core.Event{}, core.LimitRange{}, core.ResourceQuota{}, core.ConfigMap{},
	core.Secret{}, core.ServiceAccount{}, core.Service{}, core.Binding{}, apps.Deployment{}, apps.ReplicaSet{},
	apps.StatefulSet{}, apps.DaemonSet{}, apps.ControllerRevision{}, batch.Job{}, batch.CronJob{},
	policy.PodDisruptionBudget{}, policy.Eviction{}, coordination.Lease{}, autoscaling.HorizontalPodAutoscaler{},
	autoscalingv1.Scale{}, scheduling.PriorityClass{}, events.Event{}, authentication.SelfSubjectReview{},
	authorization.SelfSubjectAccessReview{}, authorization.SelfSubjectRulesReview{}, meta.DeleteOptions{},
}

// Messages whose JSON is not an object of their fields; the reader knows them by name.
var special = map[string]bool{
	"meta/v1.Time": true, "meta/v1.MicroTime": true, "meta/v1.FieldsV1": true, "meta/v1.Duration": true,
	"resource.Quantity": true, "intstr.IntOrString": true, "runtime.RawExtension": true,
}

var lines = map[string]string{}

func name(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	last := parts[len(parts)-1]
	if strings.HasPrefix(last, "v") {
		last = parts[len(parts)-2] + "/" + last
	}
	return last + "." + t.Name()
}

func kind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return kind(t.Elem())
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint32, reflect.Uint64:
		return "i"
	case reflect.Float32, reflect.Float64:
		return "f"
	case reflect.Map:
		return "{" + kind(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "y"
		}
		if t.Name() != "" {
			// A list that has a name of its own is a message with one field.
			lines[name(t)] = "1 items *" + kind(t.Elem())
			return "=" + name(t)
		}
		return "*" + kind(t.Elem())
	case reflect.Struct:
		visit(t)
		return "=" + name(t)
	}
	panic(t.String())
}

func visit(t reflect.Type) {
	if special[name(t)] || lines[name(t)] != "" {
		return
	}
	lines[name(t)] = "-"
	fields := []string{}
	for i := 0; i < t.NumField(); i++ {
		field := t.Field(i)
		tag := strings.Split(field.Tag.Get("protobuf"), ",")
		if len(tag) < 2 {
			continue
		}
		json := strings.Split(field.Tag.Get("json"), ",")
		kind := kind(field.Type)
		isInline := json[0] == "" || len(json) > 1 && json[1] == "inline"
		isLeftOut := len(json) > 1 && strings.HasPrefix(json[1], "omit") && field.Type.Kind() != reflect.Pointer
		jsonName := json[0]
		if isInline {
			kind = "~" + kind
			jsonName = "-"
		} else if isLeftOut {
			kind = "?" + kind
		}
		fields = append(fields, fmt.Sprintf("%s %s %s", tag[1], jsonName, kind))
	}
	lines[name(t)] = strings.Join(fields, ";")
}

func main() {
	for _, root := range roots {
		visit(reflect.TypeOf(root))
	}
	names := []string{}
	for name := range lines {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintln(os.Stdout, strings.TrimSpace(name+" "+lines[name]))
	}
}
