//! libFuzzer's entry to `flotilla_fuzz`'s target `pgbouncer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flotilla_fuzz::run("pgbouncer", bytes));
