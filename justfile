# `just` alone lists the recipes. CI runs `tests/run`, which calls `just check`.

export PATH := env("FLOTILLA_TOOLS", "") + ":" + env("PATH")

_list:
    @just --list

# Everything that needs no server: format, spelling, lints, licences, scripts, generated files.
check: fmt-check spelling shell deny clippy docs-check gen-check

# Format all code.
fmt:
    cargo fmt --all

fmt-check:
    cargo fmt --all --check

# What is no mistake stands in _typos.toml.
spelling:
    typos

clippy:
    cargo clippy --release --locked --workspace --all-targets -- -D warnings

# Licences, sources and banned crates; no advisories, which would need the network each time.
deny:
    # Other systems' crates too, which a build here doesn't download.
    cargo fetch --locked --quiet
    cargo deny --offline --log-level error check bans licenses sources

shell:
    shellcheck -x $(git ls-files | xargs grep -lE '^#!.*\b(ba|da)?sh\b' --)

docs-check:
    RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps --quiet

# Write man pages, completions, schemas and the tables of docs/contract.md.
gen:
    cargo run --release --locked --quiet --bin flotilla-man

gen-check:
    cargo run --release --locked --quiet --bin flotilla-man -- --check
    mandoc -Tlint -Wwarning man/out/*.[157]

# All tests, as CI runs them.
test *ARGS:
    tests/run {{ARGS}}

# Look for bytes that break a reader; `just fuzz` alone lists the readers.
fuzz *ARGS:
    tests/fuzz/run {{ARGS}}

# Ratios measured side by side.
bench:
    cargo build --release --locked --workspace --bins
    cargo run --release --locked --bin bench
