# One-line recipes; the logic lives in xtask. `just --list` shows them.

# Runs the main job: a governed lake with two people and two answers.
demo *ARGS:
    cargo run -- demo {{ARGS}}

# Runs every test, the house rules, the requirement trace and the conformance suite.
test:
    cargo xtask test

# Runs what CI runs.
ci:
    bash .ci/run

# Formats all code.
fmt:
    cargo fmt --all

# Lints as CI does.
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# Checks the house rules only.
tidy:
    cargo xtask tidy

# Prints each requirement with the tests that name it.
trace:
    cargo xtask trace

# Runs the SQL attack corpus against the release binary.
attacks:
    cargo xtask attacks --release

# Runs the two-world fuzz for long.
fuzz QUERIES="20000" SEED="1":
    cargo xtask fuzz --queries {{QUERIES}} --seed {{SEED}}
