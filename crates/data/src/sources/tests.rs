use super::*;

#[test]
fn every_source_has_a_name_of_its_own_and_says_what_its_keys_mean() {
    let mut names: Vec<&str> = SOURCES.iter().map(|spec| spec.name).collect();
    for spec in SOURCES {
        assert_eq!(find(spec.name).unwrap().summary, spec.summary);
        assert!(!spec.summary.is_empty() && !spec.keys.is_empty(), "{}", spec.name);
        let mut keys: Vec<&str> = spec.keys.iter().map(|(key, ..)| *key).collect();
        assert!(
            spec.keys.iter().all(|(key, _, meaning)| !key.is_empty() && !meaning.is_empty()),
            "{}",
            spec.name
        );
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), spec.keys.len(), "{}", spec.name);
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), SOURCES.len());
}
