# Everything a person runs. Each target sets up what it needs, below target/.

CARGO ?= cargo
PYTHON ?= python3
AGENT = target/release/ecs-lifecycle-agent
TOOLS = target/tools
DENY_VERSION = 0.20.2

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

.PHONY: demo
demo: $(AGENT) ## Watch an instance drain, against a simulated AWS (half a minute after the build)
	$(CARGO) run --quiet --package ecs-lifecycle-rig --bin demo -- --agent $(AGENT) --out target/demo

.PHONY: test
test: target/python/ready ## Run all tests
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-8} $(CARGO) test --workspace --all-targets
	$(CARGO) test --workspace --doc

.PHONY: lint
lint: $(TOOLS)/bin/cargo-deny ## Check form, lints, licences, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --workspace
	PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(CARGO) deny --log-level error check bans licenses sources

.PHONY: audit
audit: $(TOOLS)/bin/cargo-deny ## Check dependencies for known vulnerabilities (fetches the database)
	PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(CARGO) deny check advisories

.PHONY: bench
bench: $(AGENT) ## Print latencies, calls, memory, size (about five minutes)
	$(CARGO) run --quiet --package ecs-lifecycle-rig --bin bench -- --agent $(AGENT) --out target/bench

.PHONY: $(AGENT)
$(AGENT):
	$(CARGO) build --release --package ecs-lifecycle-agent

.PHONY: clean
clean: ## Remove everything that was built
	$(CARGO) clean

# boto3 drives the simulator in one of its tests.
target/python/ready: tests/requirements.txt
	rm -rf target/python
	$(PYTHON) -m venv target/python
	target/python/bin/pip install --quiet --requirement tests/requirements.txt
	touch $@

$(TOOLS)/bin/cargo-deny:
	$(CARGO) install --quiet --locked --root $(TOOLS) --version $(DENY_VERSION) cargo-deny
