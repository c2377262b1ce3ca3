//! libFuzzer's entry to `flotilla_fuzz`'s target `documents`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flotilla_fuzz::run("documents", bytes));
