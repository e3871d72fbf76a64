//! Lists and folders agree.

use std::collections::BTreeSet;
use std::path::Path;
use tallow_policy::{BUILTIN, ENGINE_KEYS, PRESETS, Policy, Registry};

fn names(folder: &str, extension: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    let names = files
        .filter_map(|file| Some(file.unwrap().file_name().to_str()?.strip_suffix(extension)?.to_owned()));
    names.filter(|name| name != "mod").collect()
}

#[test]
fn every_mix_is_a_file_and_in_the_list() {
    let listed: BTreeSet<String> = Registry::builtin().mixes().map(|spec| spec.name.to_owned()).collect();
    assert_eq!(listed, names("src/mix", ".rs"));
    assert!(listed.len() >= 11, "{listed:?}");
}

#[test]
fn names_are_unique_and_no_engine_keys() {
    let unique: BTreeSet<&str> = BUILTIN.iter().map(|spec| spec.name).collect();
    assert_eq!(unique.len(), BUILTIN.len());
    assert!(ENGINE_KEYS.iter().all(|key| !unique.contains(key)));
    for spec in BUILTIN {
        for text in [spec.summary, spec.source, spec.example, spec.cost] {
            assert!(!text.is_empty(), "{}", spec.name);
        }
        for (name, range, meaning) in spec.parameters {
            assert!(!range.is_empty() && !meaning.is_empty(), "{}.{name}", spec.name);
        }
    }
}

#[test]
#[should_panic(expected = "a key of the engine")]
fn a_policy_cannot_be_named_as_a_key() {
    static SPEC: tallow_policy::Spec =
        tallow_policy::Spec { name: "pairing", ..tallow_policy::mix::mixup::SPEC };
    Registry::builtin().push(&SPEC);
}

#[test]
fn every_preset_is_a_file_and_plans() {
    let listed: BTreeSet<String> = PRESETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed, names("../../policies", ".yaml"));
    let registry = Registry::builtin();
    for (name, text) in PRESETS {
        assert!(text.starts_with("# "), "{name} is headed by its source");
        let policy =
            Policy::preset(name, &registry).unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}"));
        let weight: f64 = policy.branches.iter().map(|branch| branch.weight).sum();
        assert!((weight - 1.0).abs() < 1e-12, "{name}: weights sum to {weight}");
        assert!(
            policy
                .check_taps(
                    "resnet18",
                    &["input", "stem", "stage1", "stage2", "stage3", "stage4", "penultimate"]
                )
                .is_empty()
        );
    }
    assert!(listed.len() >= 22, "{listed:?}");
}

#[test]
fn an_unknown_preset_is_named() {
    let mistakes = Policy::preset("cutmix_zeta", &Registry::builtin()).err().unwrap();
    assert!(mistakes[0].message.starts_with("unknown preset `cutmix_zeta`; did you mean"), "{mistakes:?}");
}
