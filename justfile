# Shortcuts; each line is a plain cargo command that works without `just` too.

# Run the main job: DeFi blocks, sequentially and in parallel.
run *ARGS:
    cargo run --release -- {{ARGS}}

# Everything that must never break, short of the fixtures.
check: test
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

test:
    cargo test --workspace

bench *ARGS:
    cargo bench -p block-stm-benches {{ARGS}}

# Rebuild the workloads' contracts (needs node and npm).
contracts:
    cd crates/block-stm-workloads/contracts && npm ci && npm run build

# Fuzz one target of fuzz/ (needs cargo-fuzz and a nightly toolchain).
fuzz TARGET *ARGS:
    cargo fuzz run {{TARGET}} {{ARGS}}

# Licences, advisories and duplicate versions (needs cargo-deny).
deny:
    cargo deny check
