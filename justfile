# What people do with this repository. `./deploy/bootstrap RECIPE` installs what is missing first.

set positional-arguments

export CARGO_TERM_COLOR := env("CARGO_TERM_COLOR", "auto")

# List the recipes.
default:
    @just --list

# Play the whole story in one process: sandbox, servers, every service. Options: standalone demo --help
demo *args:
    @cargo build --locked -p standalone -p mirrorctl
    @exec target/debug/standalone demo "$@"

# Run the same against a real GHL location, on one machine: just up --config FILE
up *args:
    @cargo build --locked --release -p standalone
    @exec target/release/standalone up "$@"

# Ask and command what runs; the token is the demo's unless MIRROR_TOKEN or MIRROR_TOKEN_FILE says otherwise
mirrorctl *args:
    @cargo build --quiet --locked -p mirrorctl
    @MIRROR_TOKEN_FILE="${MIRROR_TOKEN_FILE:-.local/demo/control-token}" exec target/debug/mirrorctl "$@"

# Build everything.
build *args:
    cargo build --workspace --all-targets --locked "$@"

# Formatting, lints and every test that needs no browser.
test *args: _nextest check
    cargo nextest run --workspace --locked "$@"

_nextest:
    @cargo nextest --version >/dev/null 2>&1 || { echo "test: cargo-nextest is missing: ./deploy/bootstrap test installs it" >&2; exit 1; }

# Formatting and clippy; warnings are errors.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Renew the committed bindings after a change of a .proto file.
proto:
    MIRROR_PROTO_WRITE=1 cargo test --quiet --locked -p proto --test fresh

# Everything that reads the code without running it; what is not installed is named.
lint: check
    #!/usr/bin/env bash
    set -euo pipefail
    if command -v buf >/dev/null; then buf lint proto; else echo "lint: buf is not installed, its rules were not checked" >&2; fi
    if command -v cargo-deny >/dev/null; then
        cargo deny --locked check licenses bans sources
    else
        echo "lint: cargo-deny is not installed, its rules were not checked" >&2
    fi
    if command -v shellcheck >/dev/null; then
        shellcheck deploy/bootstrap deploy/browser deploy/contract .ci/run
    else
        echo "lint: shellcheck is not installed, its rules were not checked" >&2
    fi

# The workspace page in a real Chromium.
test-browser *args:
    @deploy/browser "$@"

# Compare with the vendor's own description, found at GHL_CONTRACT_DIR.
contract *args:
    @deploy/contract "$@"

# Measure a release build on servers of its own. Options: --json
bench *args:
    @cargo build --locked --release -p tests --bin bench
    @exec target/release/bench "$@"
