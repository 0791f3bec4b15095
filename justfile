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

# Print what blocks cost on which speculation is wasted: processor and wall time over sequential, on 2 to 64 threads.
worst *ARGS:
    cargo run --release -p block-stm-testkit --example worst -- {{ARGS}}

# Print what tiny transactions cost, beside a loop over a map and the sequential execution.
tiny *ARGS:
    cargo run --release -p block-stm-testkit --example tiny -- {{ARGS}}

# Rebuild the workloads' contracts (needs node and npm).
contracts:
    cd crates/block-stm-workloads/contracts && npm ci && npm run build

# Compare N random blocks from SEED on, and all workloads, with the executable specification (needs Python 3.11 and PyPI).
spec-oracle N="200" SEED="0":
    BLOCK_STM_SPEC_PYTHON="$(scripts/spec-python target/spec)" BLOCK_STM_REQUIRE_SPEC=1 \
    BLOCK_STM_SPEC_BLOCKS={{N}} BLOCK_STM_SPEC_SEED={{SEED}} \
        cargo test --release -p block-stm-cli --test it oracle -- --nocapture

# Build the devnet's chain anew (needs node and npm); the same inputs make the same bytes.
devnet:
    cargo run --release -- t8n-input --workload mixed --txns 420 --accounts 40 --pools 1 --zipf 1 --seed 7 target/devnet
    cargo run --release -- t8n --state.fork Osaka --state.reward -1 --output.basedir target/devnet \
        --input.alloc target/devnet/alloc.json --input.env target/devnet/env.json --input.txs target/devnet/txs.json \
        --output.alloc '' --output.result '' --output.body body.rlp
    cd scripts/devnet && npm ci && node make.mjs ../../target/devnet ../../crates/block-stm-chain/tests/data/devnet

# Fetch blocks from an anvil, and replay them (needs node and npm).
anvil-fetch:
    scripts/anvil-fetch

# Load a trace of `block-stm timeline` into Perfetto (needs node, npm, chromium, unzip and python3 with pip).
timeline-views TRACE PICTURE:
    scripts/timeline-views {{TRACE}} {{PICTURE}}

# Print what `explain` costs over `replay`, and `timeline` over the same unobserved (needs python3 and a quiet machine).
costs BLOCKS *TURNS:
    scripts/costs {{BLOCKS}} {{TURNS}}

# Look at a page of `block-stm report` in Chromium (needs node, npm and chromium).
report-views PAGE FOLDER:
    scripts/report-views {{PAGE}} {{FOLDER}}

# The OP stack's EVM on the engine, in a workspace of its own.
op:
    cargo run --manifest-path crates/block-stm-any-evm/examples/op/Cargo.toml --target-dir target/op

# Fuzz one target of fuzz/ (needs a nightly toolchain and cargo-fuzz), from its corpus and its seeds.
fuzz TARGET *ARGS:
    mkdir -p fuzz/corpus/{{TARGET}} fuzz/seeds/{{TARGET}}
    cargo +nightly fuzz run {{TARGET}} fuzz/corpus/{{TARGET}} fuzz/seeds/{{TARGET}} {{ARGS}}

# Fuzz each target for a number of seconds.
fuzz-all SECONDS:
    fuzz/run {{SECONDS}}

# Line coverage of the core by its own tests (needs cargo-tarpaulin); the report goes to target/coverage.
coverage:
    cargo tarpaulin -p block-stm --engine llvm --lib --tests --timeout 1500 \
        --target-dir target/coverage --skip-clean --out Html --out Json --output-dir target/coverage \
        --include-files 'crates/block-stm/src/*' --exclude-files 'crates/block-stm/src/proofs/*' \
        --exclude-files 'crates/block-stm/src/primitives/sync/loom.rs' --exclude-files 'crates/block-stm/src/primitives/sync/shuttle.rs'
    rm -f build_rs_cov.profraw

# Lint the EVM crates with each Cargo feature alone, and count the packages that it brings.
features:
    scripts/features

# Build the book of docs/ into target/book; installs mdbook below target/ where it is missing.
book:
    scripts/mdbook build

# Make the tables of the documents anew, from docs/data/ and the sources.
tables:
    BLOCK_STM_WRITE_TABLES=1 cargo test -p block-stm-cli --test tidy tables::

# Run the commands whose numbers documents show (KIND is speed or official-tests; needs BLOCK_STM_FIXTURES).
numbers KIND: && tables
    scripts/numbers {{KIND}}

# Package every crate, build each package alone, and stop short of the upload.
publish-dry-run:
    cargo publish --dry-run --workspace

# Licences, advisories and duplicate versions (needs cargo-deny).
deny:
    cargo deny check

# Breaking changes of the library crates since a revision (needs cargo-semver-checks).
semver-checks BASE="main":
    cargo semver-checks --workspace --exclude block-stm-cli --baseline-rev {{BASE}}

# Explore the core's protocols under loom: every execution that the memory model allows, within a bound.
loom *ARGS:
    RUSTFLAGS="--cfg loom" cargo test -p block-stm --lib --target-dir target/loom models:: {{ARGS}}

# Run whole blocks under shuttle's schedules; BLOCK_STM_SCHEDULES=100 for a long run.
shuttle *ARGS:
    RUSTFLAGS="--cfg shuttle" cargo test -p block-stm --test schedules --target-dir target/shuttle {{ARGS}}

# The core's tests under AddressSanitizer, leaks included (needs a nightly toolchain).
asan *ARGS:
    RUSTFLAGS="-Zsanitizer=address" cargo +nightly test -p block-stm --lib --test it \
        --target x86_64-unknown-linux-gnu --target-dir target/asan {{ARGS}}

# Whole blocks on plain threads under ThreadSanitizer (needs a nightly toolchain). Whatever runs on pools is left out: they
# synchronise through the standard library, which is not instrumented.
tsan *ARGS:
    scripts/tsan {{ARGS}}

# All tests of the core under ThreadSanitizer, with an instrumented standard library (needs rust-src, too).
tsan-std *ARGS:
    RUSTFLAGS="-Zsanitizer=thread" cargo +nightly test -Zbuild-std -p block-stm --lib --test it \
        --target x86_64-unknown-linux-gnu --target-dir target/tsan-std {{ARGS}}

# The core's unit tests under Miri (needs a nightly toolchain with miri). Pools outlive the tests: leaks are for `asan`.
miri *ARGS:
    MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks" cargo +nightly miri test -p block-stm --lib --target-dir target/miri {{ARGS}}

# The core's unit tests under valgrind's memcheck. What pools that still run at the end hold on to is no leak.
valgrind *ARGS:
    VALGRIND_OPTS="-q --error-exitcode=1 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite" \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=valgrind \
        cargo test -p block-stm --lib {{ARGS}}

# Kill a run of the pipeline N times, and see that all that it told is there.
kill-chain N="500":
    BLOCK_STM_CHAIN_KILLS={{N}} cargo test --release -p block-stm-cli --test it chain::what_a_killed -- --nocapture

# Kill a process that writes to a store N times, and see that all that it reported is there.
kill-store N="500":
    BLOCK_STM_STORE_KILLS={{N}} cargo test --release -p block-stm-store --test it kill:: -- --nocapture

# Let every deliberate fault of the engine out, and see it caught.
canaries:
    RUSTFLAGS="--cfg block_stm_canaries" cargo test -p block-stm-testkit --test canaries \
        --target-dir target/canaries -- --nocapture
    RUSTFLAGS="--cfg block_stm_canaries" cargo test -p block-stm --lib --test it \
        --target-dir target/canaries canaries
    RUSTFLAGS="--cfg loom --cfg block_stm_canaries" cargo test -p block-stm --lib \
        --target-dir target/canaries models::canaries
    RUSTFLAGS="--cfg shuttle --cfg block_stm_canaries" cargo test -p block-stm --test schedules \
        --target-dir target/canaries canaries

# Break the core in every place of a share of those that cargo-mutants finds, and see its tests and the test kit's fail.
mutants SHARD="0/40":
    scripts/mutants {{SHARD}}

# Look for a schedule that changes a result.
sim *ARGS:
    cargo run --release -- sim {{ARGS}}

# A million programs and more on real threads, in some minutes.
properties CASES="5000":
    PROPTEST_CASES={{CASES}} cargo test --release -p block-stm --test it properties
