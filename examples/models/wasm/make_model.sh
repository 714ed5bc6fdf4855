#!/bin/sh
# Builds leak.wasm. Needs Rust 1.82 or newer with its WebAssembly target:
#   rustup target add wasm32-unknown-unknown
set -eu
cd "$(dirname "$0")"
rustc --edition 2024 --target wasm32-unknown-unknown --crate-type cdylib \
  -C opt-level=s -C lto=fat -C panic=abort -C strip=symbols -C link-arg=-zstack-size=16384 \
  -o leak.wasm source/leak.rs
ls -l leak.wasm
