//! Exported maps.

use flotilla::ownership::MapFile;

use crate::refusal;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(file) = serde_json::from_slice::<MapFile>(bytes) else { return };
    match file.map() {
        Err(error) => refusal(&error),
        Ok(map) => {
            assert!(map.is_whole());
            // What the routers in lib/clients refuse is refused here too.
            assert!(map.epoch() >= 0 && map.epoch().to_string() == file.epoch, "epoch {:?}", file.epoch);
            let mut names: Vec<&String> = map.shards().iter().collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), map.shards().len(), "two shards have one name");
            for bucket in map.buckets().iter() {
                let owner = map.owner(bucket).expect("every bucket has an owner");
                let ranges = &file.shards[owner].ranges;
                assert!(ranges.iter().any(|(first, last)| (*first..=*last).contains(&bucket.get())));
            }
        }
    }
}
