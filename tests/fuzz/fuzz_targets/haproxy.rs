//! libFuzzer's entry to `flotilla_fuzz`'s target `haproxy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flotilla_fuzz::run("haproxy", bytes));
