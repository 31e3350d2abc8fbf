// Package main checks the objects on standard input against the API of one Kubernetes version, given as v1.33, without
// a cluster: what the version's published OpenAPI says of fields, types and values, and no field that it does not know.
//
// The schemas are in the folder `schemas` beside the program; `crds` in it has those of other projects' kinds.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func main() {
	problems, err := check(os.Args[1:], os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for _, problem := range problems {
		fmt.Println(problem)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

func check(args []string, input io.Reader) ([]string, error) {
	if len(args) != 1 {
		return nil, errors.New("usage: kube-schema v1.33 < objects.yaml")
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	schemas := schemas{filepath.Join(filepath.Dir(program), "schemas"), args[0]}
	if _, err := os.Stat(filepath.Join(schemas.folder, schemas.version)); err != nil {
		return nil, fmt.Errorf("no schemas of Kubernetes %s: %w", schemas.version, err)
	}
	objects, err := read(input)
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, object := range objects {
		if problem := schemas.problem(object); problem != nil {
			problems = append(problems, fmt.Sprintf("%s %s %s: %v", schemas.version, object["kind"], name(object), problem))
		}
	}
	return problems, nil
}

// read takes a stream of YAML documents; empty ones are left out.
func read(input io.Reader) ([]map[string]any, error) {
	var objects []map[string]any
	for decoder := yaml.NewDecoder(input); ; {
		var document any
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		if document == nil {
			continue
		}
		// Through JSON, so that numbers and times are what the API server would see.
		text, err := json.Marshal(document)
		if err != nil {
			return nil, err
		}
		var object map[string]any
		if err := json.Unmarshal(text, &object); err != nil {
			return nil, fmt.Errorf("a document is no object: %w", err)
		}
		objects = append(objects, object)
	}
}

func name(object map[string]any) any {
	metadata, _ := object["metadata"].(map[string]any)
	return metadata["name"]
}

type schemas struct{ folder, version string }

// problem is what is wrong with an object, or nil.
func (s schemas) problem(object map[string]any) error {
	apiVersion, _ := object["apiVersion"].(string)
	kind, _ := object["kind"].(string)
	group, version, found := strings.Cut(apiVersion, "/")
	if !found {
		group, version = "", apiVersion
	}
	document, pointer, err := s.find(group, version, kind)
	if err != nil {
		return err
	}
	strict(document)
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("file:///api.json", document); err != nil {
		return err
	}
	schema, err := compiler.Compile("file:///api.json#" + pointer)
	if err != nil {
		return err
	}
	return schema.Validate(object)
}

// find returns the document that has the schema of a kind, and where in it that is.
func (s schemas) find(group, version, kind string) (any, string, error) {
	file := "api__" + version + "_openapi.json"
	if group != "" {
		file = "apis__" + group + "__" + version + "_openapi.json"
	}
	text, err := os.ReadFile(filepath.Join(s.folder, s.version, file))
	if errors.Is(err, os.ErrNotExist) {
		return s.findCustom(group, version, kind)
	} else if err != nil {
		return nil, "", err
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, "", err
	}
	components := document["components"].(map[string]any)["schemas"].(map[string]any)
	for name, schema := range components {
		kinds, _ := schema.(map[string]any)["x-kubernetes-group-version-kind"].([]any)
		for _, each := range kinds {
			// Options of requests belong to all groups.
			if of := each.(map[string]any); len(kinds) == 1 && of["group"] == group && of["version"] == version && of["kind"] == kind {
				return map[string]any{"components": document["components"]}, "/components/schemas/" + name, nil
			}
		}
	}
	return nil, "", fmt.Errorf("%s/%s has no kind %s", group, version, kind)
}

// findCustom looks among the definitions of other projects' kinds.
func (s schemas) findCustom(group, version, kind string) (any, string, error) {
	files, err := filepath.Glob(filepath.Join(s.folder, "crds", "*.yaml"))
	if err != nil {
		return nil, "", err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, "", err
		}
		definitions, err := read(bytes.NewReader(text))
		if err != nil {
			return nil, "", err
		}
		for _, definition := range definitions {
			spec := definition["spec"].(map[string]any)
			if spec["group"] != group || spec["names"].(map[string]any)["kind"] != kind {
				continue
			}
			for _, each := range spec["versions"].([]any) {
				if each := each.(map[string]any); each["name"] == version {
					schema := each["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)
					delete(schema["properties"].(map[string]any), "metadata")
					schema["properties"].(map[string]any)["metadata"] = map[string]any{"type": "object"}
					return schema, "", nil
				}
			}
		}
	}
	return nil, "", fmt.Errorf("there is no API %s/%s", group, version)
}

// strict lets no object have a property that its schema does not name.
func strict(schema any) {
	switch schema := schema.(type) {
	case []any:
		for _, each := range schema {
			strict(each)
		}
	case map[string]any:
		_, named := schema["properties"].(map[string]any)
		_, open := schema["additionalProperties"]
		if named && !open && schema["x-kubernetes-preserve-unknown-fields"] != true {
			schema["additionalProperties"] = false
		}
		for keyword, each := range schema {
			properties, _ := each.(map[string]any)
			if keyword != "properties" {
				strict(each)
				continue
			}
			for _, property := range properties {
				strict(property)
			}
		}
	}
}
