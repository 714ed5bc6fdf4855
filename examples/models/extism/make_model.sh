#!/bin/sh
# Builds drift.wasm with Extism's kit for Rust. Needs cargo and its WebAssembly target:
#   rustup target add wasm32-unknown-unknown
set -eu
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# No folder of this machine in the panics of the model.
export RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
cargo build --locked --release --target wasm32-unknown-unknown \
  --manifest-path source/Cargo.toml --target-dir "$folder"
cp "$folder/wasm32-unknown-unknown/release/drift.wasm" drift.wasm
chmod -x drift.wasm
