# `make test` is everything a change must pass. It needs Rust and Go: the two cargo tools it uses are built once into
# cargo's own bin folder, and what the tests run against, real Kubernetes and others, once into a cache folder.

CARGO ?= cargo
NEXTEST_VERSION := 0.9.151
DENY_VERSION := 0.20.2

# The folder that `tailor` itself looks in when KUBEBUILDER_ASSETS names none.
RIG := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tailor/rig

# The custom resources, as `tailor crd` names them.
KINDS := verticalresizepolicies verticalresizecheckpoints

.DEFAULT_GOAL := help
.PHONY: help test fmt clippy unit doc deny generated generate audit tools pictures static rig

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

generated: ## Generated files are up to date; of the chart's, tests say the same
	for kind in $(KINDS); do $(CARGO) run --locked --quiet -- crd $$kind | diff -u crds/$$kind.yaml - || exit 1; done

generate: rig ## Writes the generated files
	for kind in $(KINDS); do $(CARGO) run --locked --quiet -- crd $$kind > crds/$$kind.yaml; done
	cp crds/*.yaml charts/tailor/files/crds/
	"$${KUBEBUILDER_ASSETS:-$(RIG)}/helm-docs" --log-level=warning --chart-search-root charts/tailor
	for page in fields metrics settings; do $(CARGO) run --locked --quiet -- docs $$page > docs/$$page.md; done

pictures: tools rig ## Draws the dashboards anew, from a run of 40 minutes (needs Python with matplotlib; PYTHON names another)
	KUBEBUILDER_ASSETS="$${KUBEBUILDER_ASSETS:-$(RIG)}" $(CARGO) test --locked --test real -- --ignored pictures

# Of the files that the image is built from, and with the compiler's own C library. Unoptimized: it is about whether, not how fast.
STATIC := $(shell uname -m)-unknown-linux-musl
CONTEXT := $(CURDIR)/target/image-context

static: ## The static binary of the image builds, is static, and starts
	@command -v rustup >/dev/null || { echo "rustup is needed, for its C library: https://rustup.rs" >&2; exit 1; }
	@rustup target list --installed | grep -qx $(STATIC) || rustup target add $(STATIC)
	rm -rf "$(CONTEXT)" && mkdir -p "$(CONTEXT)" && tar c $$(sed -n 's/^!//p' .dockerignore) | tar x -C "$(CONTEXT)"
	cd "$(CONTEXT)" && CARGO_TARGET_DIR="$${CARGO_TARGET_DIR:-$(CURDIR)/target}" CC_$(subst -,_,$(STATIC))=gcc \
		$(CARGO) build --locked --quiet --bin tailor --target $(STATIC)
	binary="$${CARGO_TARGET_DIR:-target}/$(STATIC)/debug/tailor"; \
		! readelf --program-headers "$$binary" | grep INTERP && "$$binary" --version && \
		"$$binary" crd | grep -q "^kind: CustomResourceDefinition"

rig: ## Builds what the tests run against, unless it is there or KUBEBUILDER_ASSETS names another folder
	@test -n "$$KUBEBUILDER_ASSETS" || tests/rig/build "$(RIG)"

tools:
	@$(CARGO) nextest --version >/dev/null 2>&1 || $(CARGO) install --locked --debug cargo-nextest@$(NEXTEST_VERSION)
	@$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --locked --debug cargo-deny@$(DENY_VERSION)
