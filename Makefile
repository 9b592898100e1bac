# The commands for people. Each target sets up what it needs below target/.

CARGO ?= cargo
PYTHON ?= python3
AGENT = target/release/ecs-lifecycle-agent
EXPLORE = target/explore/explore
FLEET = target/explore/fleet
TOOLS = target/tools
ACTIONLINT_VERSION = 1.7.12
DENY_VERSION = 0.20.2
FUZZ_VERSION = 0.13.2
DEB_VERSION = 3.8.0
RPM_VERSION = 0.21.1
AUDITABLE_VERSION = 0.7.7
AUDITABLE2CDX_VERSION = 0.1.0
ZIGBUILD_VERSION = 0.24.1
ZIGLANG_VERSION = 0.17.0
PULUMI_AWS_VERSION = 7.51.1
# The target of make packages, such as aarch64-unknown-linux-musl. If it is empty, this machine is the target.
TARGET ?=
PACKAGE_TOOLS = docs $(TOOLS)/bin/cargo-deb $(TOOLS)/bin/cargo-generate-rpm \
	$(if $(TARGET),$(TOOLS)/bin/cargo-auditable target/zig/ready)
RELEASE_TOOLS = docs $(TOOLS)/bin/cargo-deb $(TOOLS)/bin/cargo-generate-rpm $(TOOLS)/bin/cargo-auditable \
	$(TOOLS)/bin/auditable2cdx target/zig/ready
# The architectures of make release.
ARCHITECTURES ?= x86_64 aarch64
# The architecture of make ami: x86_64 or arm64.
ARCH ?= x86_64
FUZZ_TARGETS = metadata introspection configuration state
FUZZ_RUNS = 10000000

##@ See it

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^##@ / { print "\n" substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)

.PHONY: demo
demo: $(AGENT) ## Watch an instance drain, against a simulated AWS (half a minute after the build)
	$(CARGO) run --quiet --package ecs-lifecycle-rig --bin demo -- --agent $(AGENT) --out target/demo

.PHONY: demo-scale
demo-scale: ## Watch a cluster scale with its load, against a simulated AWS (a minute after the build)
	@# This needs a debug build, whose clock can run as fast as the simulated one.
	$(CARGO) build --quiet --package ecs-lifecycle-agent
	$(CARGO) run --quiet --package ecs-lifecycle-rig --bin demo-scale -- target/debug/ecs-lifecycle-agent target/demo-scale

.PHONY: bench
bench: $(AGENT) ## Print latencies, calls, memory, size (seven minutes; BESIDE=PATH compares another binary)
	$(CARGO) run --quiet --package ecs-lifecycle-rig --bin bench -- --agent $(AGENT) --out target/bench \
		$(if $(BESIDE),--beside $(BESIDE))

##@ Check it

.PHONY: test
test: target/python/ready target/peers/ready target/cdk/ready target/provider/ready $(EXPLORE) $(FLEET) ## Run all tests (about a quarter of an hour, after the build)
	@# If the packages cannot be built, their tests say so.
	$(MAKE) packages || [ -z "$$ECS_LIFECYCLE_REQUIRE_SYSTEMD" ]
	tests/systemd/rootfs.sh || [ $$? = 77 ]
	packer/tools.sh || [ $$? = 77 ]
	tests/e2e/packages.sh || [ $$? = 77 ]
	rm -rf target/operations && mkdir -p target/operations
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-8} $(CARGO) test --workspace --all-targets
	$(CARGO) test --workspace --doc
	@# This runs every single move and a part of the rest. make explore runs everything.
	$(EXPLORE) found tests/explore/found.txt
	$(EXPLORE) singles --expected tests/explore/expected.txt
	$(EXPLORE) random --count 20000 --seed 1 --expected tests/explore/expected.txt
	$(EXPLORE) reduction --count 1000 --expected tests/explore/expected.txt
	$(FLEET) --check
	@# These run alone: each starts a thousand agents, with seconds where the other tests have minutes.
	$(MAKE) faults
	CRASH_DRAINS=$${CRASH_DRAINS:-300} $(MAKE) crash
	@# This is last, because it compares the agent's calls in all tests with its policy.
	$(MAKE) test-cloudformation
test: export ECS_LIFECYCLE_OPERATIONS = $(CURDIR)/target/operations

.PHONY: test-cloudformation
test-cloudformation: target/python/ready target/peers/ready target/cdk/ready target/provider/ready ## Test templates, policy, Terraform module, CDK app (three minutes)
	target/python/bin/python -B -m unittest discover --start-directory tests/cloudformation

.PHONY: lint
lint: $(TOOLS)/bin/cargo-deny ## Check formatting, lints, licences, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@# --all-targets means those that cargo test runs, without these two.
	$(CARGO) clippy --package ecs-lifecycle-agent --test faults --test crash -- -D warnings
	@# The oldest Rust that Cargo.toml allows.
	@version=$$(sed -n 's/^rust-version = "\(.*\)"$$/\1/p' Cargo.toml); \
		if rustup toolchain list 2>/dev/null | grep -q "^$$version"; then \
			$(CARGO) "+$$version" check --workspace --all-targets --target-dir target/msrv; \
		else echo "SKIPPED: check with rust-version: rustup has no Rust $$version"; fi
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --workspace
	PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(CARGO) deny --log-level error check bans licenses sources
	packer/lint.sh || [ $$? = 77 ]
	@if command -v go >/dev/null; then go run github.com/rhysd/actionlint/cmd/actionlint@v$(ACTIONLINT_VERSION); \
		else echo "SKIPPED: actionlint: there is no Go"; fi

.PHONY: audit
audit: $(TOOLS)/bin/cargo-deny ## Check dependencies for known vulnerabilities (fetches the database)
	PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(CARGO) deny check advisories

##@ Check it in depth

.PHONY: faults
faults: ## Test every call × every fault × every phase with the real binary (three minutes)
	RUST_TEST_THREADS=1 $(CARGO) test --package ecs-lifecycle-agent --test faults

.PHONY: crash
crash: ## Kill the agent at every request and in a thousand random drains (six minutes)
	RUST_TEST_THREADS=1 $(CARGO) test --package ecs-lifecycle-agent --test crash

.PHONY: explore
explore: $(EXPLORE) ## Run the adversary against the core: single moves, pairs, 200,000 random stories (a quarter of an hour)
	$(EXPLORE) singles --expected tests/explore/expected.txt --stories target/stories
	$(EXPLORE) reduction --count 10000 --expected tests/explore/expected.txt
	$(EXPLORE) random --count 200000 --expected tests/explore/expected.txt --stories target/stories
	$(EXPLORE) pairs --expected tests/explore/expected.txt --stories target/stories

.PHONY: fleet
fleet: $(FLEET) ## Drain a thousand instances at once in virtual time, and write docs/fleets.md (a minute)
	$(FLEET) --write

.PHONY: soak
soak: $(AGENT) ## Poll as often as in a week while everything flaps, and check memory and files (a quarter of an hour)
	$(CARGO) run --quiet --release --package ecs-lifecycle-rig --bin soak -- --agent $(AGENT) --out target/soak

.PHONY: fuzz
fuzz: $(TOOLS)/bin/cargo-fuzz ## Fuzz every parser, ten million inputs each (nightly Rust; an hour or more)
	@# There is no sanitizer: the agent has no unsafe code, and it would take several times as long.
	@for target in $(FUZZ_TARGETS); do \
		mkdir -p target/fuzz/corpus/$$target target/fuzz/findings/$$target && \
		PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(CARGO) +nightly fuzz run --sanitizer none --fuzz-dir fuzz \
			--target-dir target/fuzz $$target target/fuzz/corpus/$$target fuzz/corpus/$$target -- \
			-runs=$(FUZZ_RUNS) -max_len=1024 -timeout=10 -dict=fuzz/dictionaries/$$target.dict \
			-artifact_prefix=target/fuzz/findings/$$target/ -print_final_stats=1 \
			> target/fuzz/$$target.log 2>&1 || { tail -n 40 target/fuzz/$$target.log; exit 1; }; \
		grep -E '^(Done|stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb))' target/fuzz/$$target.log \
			| sed "s/^/$$target: /"; \
	done

##@ Build it

.PHONY: docs
docs: ## Write the man page and the shells' completions to target/dist
	$(CARGO) run --quiet --package xtask -- docs --out target/dist

.PHONY: packages
packages: $(PACKAGE_TOOLS) ## Build .deb and .rpm (TARGET=aarch64-unknown-linux-musl: static, for arm64)
	packaging/build.sh $(TARGET)

.PHONY: ami
ami: ## Build the AMI in your AWS account (ARCH=arm64, PACKER_ARGS=…: packer/README.md)
	$(MAKE) packages TARGET=$(if $(filter arm64,$(ARCH)),aarch64,x86_64)-unknown-linux-musl
	packer/tools.sh
	PACKER_PLUGIN_PATH=$(CURDIR)/target/packer/plugins CHECKPOINT_DISABLE=1 \
		$(TOOLS)/bin/packer build -only='*.$(ARCH)' $(PACKER_ARGS) packer

.PHONY: clean
clean: ## Remove everything that was built
	$(CARGO) clean

##@ Release it

.PHONY: release
release: $(RELEASE_TOOLS) ## Build the unsigned files of a release for both architectures (ARCHITECTURES=x86_64: for one)
	packaging/release.sh $(ARCHITECTURES)

.PHONY: reproducible
reproducible: $(RELEASE_TOOLS) ## Build the release twice in different folders and compare the bytes (half an hour)
	packaging/reproducible.sh $(ARCHITECTURES)

.PHONY: repository
repository: ## Make signed dnf and apt repositories of the release's packages (KEY=…: a key in gpg)
	packaging/repository.sh target/repository "$(KEY)" target/release-files/*.rpm target/release-files/*.deb

.PHONY: $(AGENT)
$(AGENT):
	$(CARGO) build --release --package ecs-lifecycle-agent

.PHONY: $(EXPLORE)
$(EXPLORE):
	$(CARGO) build --quiet --profile explore --package ecs-lifecycle-explore

.PHONY: $(FLEET)
$(FLEET):
	$(CARGO) build --quiet --profile explore --package ecs-lifecycle-fleet

# The Python packages of the tests. The file says what each of them is for.
target/python/ready: tests/requirements.txt
	rm -rf target/python
	$(PYTHON) -m venv target/python
	target/python/bin/pip install --quiet --requirement tests/requirements.txt
	touch $@

# Bindings generated from Terraform's AWS provider, which have the names that it knows.
target/provider/ready: target/python/ready
	rm -rf target/provider
	target/python/bin/pip download --quiet --no-deps --dest target/provider pulumi_aws==$(PULUMI_AWS_VERSION)
	touch $@

# The environment of the CDK app in examples/cdk, which also needs Node.
target/cdk/ready: examples/cdk/requirements.txt
	rm -rf target/cdk
	$(PYTHON) -m venv target/cdk
	target/cdk/bin/pip install --quiet --requirement examples/cdk/requirements.txt
	touch $@

# AWS's own cfn-signal and an independent emulator of CloudFormation, for tests/peers.
target/peers/ready: tests/peers/setup.sh tests/peers/requirements.txt
	tests/peers/setup.sh $(PYTHON)

# The linker for static binaries and for the other architecture.
target/zig/ready:
	rm -rf target/zig
	$(PYTHON) -m venv target/zig
	target/zig/bin/pip install --quiet ziglang==$(ZIGLANG_VERSION) cargo-zigbuild==$(ZIGBUILD_VERSION)
	rustup target add aarch64-unknown-linux-musl x86_64-unknown-linux-musl
	touch $@

$(TOOLS)/bin/cargo-deb:
	$(CARGO) install --quiet --locked --root $(TOOLS) --version $(DEB_VERSION) cargo-deb

$(TOOLS)/bin/cargo-generate-rpm:
	$(CARGO) install --quiet --locked --root $(TOOLS) --version $(RPM_VERSION) cargo-generate-rpm

$(TOOLS)/bin/cargo-auditable:
	$(CARGO) install --quiet --locked --root $(TOOLS) --version $(AUDITABLE_VERSION) cargo-auditable

$(TOOLS)/bin/auditable2cdx:
	$(CARGO) install --quiet --locked --root $(TOOLS) --version $(AUDITABLE2CDX_VERSION) auditable2cdx

$(TOOLS)/bin/cargo-deny:
	@# It runs for a second, and takes several times as long to build with optimisation.
	$(CARGO) install --quiet --locked --debug --root $(TOOLS) --version $(DENY_VERSION) cargo-deny

$(TOOLS)/bin/cargo-fuzz:
	$(CARGO) install --quiet --locked --root $(TOOLS) --version $(FUZZ_VERSION) cargo-fuzz
