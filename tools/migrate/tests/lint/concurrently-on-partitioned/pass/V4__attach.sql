ALTER INDEX events_at ATTACH PARTITION events_1_at;
