//! libFuzzer's entry to `flotilla_fuzz`'s target `packed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flotilla_fuzz::run("packed", bytes));
