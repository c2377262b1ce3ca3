//! Archives in WAL-G's storage layout: what `walg-wrap` writes, checks and reads, and `pitr`
//! restores from. Either of WAL-G and Flotilla restores what the other wrote.
