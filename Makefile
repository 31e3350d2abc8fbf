# `make test` is everything a change must pass. It needs Rust and Go: the two cargo tools it uses are built once into
# cargo's own bin folder, and the real Kubernetes that the tests run against once into a cache folder.

CARGO ?= cargo
NEXTEST_VERSION := 0.9.151
DENY_VERSION := 0.20.2

# The folder that `tailor` itself looks in when KUBEBUILDER_ASSETS names none.
RIG := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tailor/rig
RIG_SOURCES := tests/rig/go.mod tests/rig/go.sum tests/rig/etcd/main.go
RIG_FLAGS := -trimpath -buildvcs=false -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 \
	-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37"

.DEFAULT_GOAL := help
.PHONY: help test fmt clippy unit doc deny generated generate audit tools rig pictures

help: ## Lists the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1\t/'

test: fmt clippy generated unit doc deny ## Everything a change must pass

fmt: ## The code is formatted
	$(CARGO) fmt --check

clippy: ## No warning of the compiler or clippy
	$(CARGO) clippy --locked --all-targets -- -D warnings

unit: tools rig ## All tests, and those in the documentation
	$(CARGO) test --locked --doc
	KUBEBUILDER_ASSETS="$${KUBEBUILDER_ASSETS:-$(RIG)}" $(CARGO) nextest run --locked

doc: ## The documentation builds without a warning
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

deny: tools ## Licences, sources and banned crates
	$(CARGO) deny --all-features check --hide-inclusion-graph bans licenses sources

audit: tools ## Known vulnerabilities (fetches the advisory database)
	$(CARGO) deny --all-features check advisories

generated: ## Generated files are up to date
	$(CARGO) run --locked --quiet -- crd | diff -u crds/verticalresizepolicies.yaml -

generate: ## Writes the generated files
	$(CARGO) run --locked --quiet -- crd > crds/verticalresizepolicies.yaml
	for page in fields metrics settings; do $(CARGO) run --locked --quiet -- docs $$page > docs/$$page.md; done

pictures: tools rig ## Draws the dashboards anew, from a run of 40 minutes (needs Python with matplotlib; PYTHON names another)
	KUBEBUILDER_ASSETS="$${KUBEBUILDER_ASSETS:-$(RIG)}" $(CARGO) test --locked --test real -- --ignored pictures

rig: ## Builds the real Kubernetes for the tests, unless it is there or KUBEBUILDER_ASSETS names another
	@test -n "$$KUBEBUILDER_ASSETS" || cat $(RIG_SOURCES) | cmp -s - "$(RIG)/built-from" || $(MAKE) --no-print-directory $(RIG)/built-from

# Made aside and moved when it is whole, so that an interrupted build is never taken for a finished one.
.PHONY: $(RIG)/built-from
$(RIG)/built-from:
	@command -v go >/dev/null || { echo "Go is needed to build Kubernetes for the tests: https://go.dev/dl" >&2; exit 1; }
	rm -rf "$(RIG).new" && mkdir -p "$(RIG).new"
	cd tests/rig && go build $(RIG_FLAGS) -o "$(RIG).new/" tool ./etcd
	cat $(RIG_SOURCES) > "$(RIG).new/built-from"
	rm -rf "$(RIG)" && mv "$(RIG).new" "$(RIG)"

tools:
	@$(CARGO) nextest --version >/dev/null 2>&1 || $(CARGO) install --locked --debug cargo-nextest@$(NEXTEST_VERSION)
	@$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --locked --debug cargo-deny@$(DENY_VERSION)
