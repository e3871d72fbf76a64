use super::*;
use crate::plan::Plan;
use tallow_policy::Registry;

const BASE: &str = "data: { name: synthetic, batch: 8 }
model: { name: resnet18 }
optimizer: { sgd: {} }
length: 30 epochs
";

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// `over` laid on `base`, as an extending recipe is: a choice of another name replaces the whole map.
fn merged(base: Value, over: &Value, path: &str) -> Value {
    match (base, over) {
        (Value::Mapping(mut base), Value::Mapping(over)) => {
            if ["optimizer", "schedule"].contains(&path) {
                base.retain(|key, _| over.contains_key(key));
            }
            for (key, value) in over {
                let below = key.as_str().unwrap_or_default();
                let value = merged(base.get(key).cloned().unwrap_or_default(), value, below);
                base.insert(key.clone(), value);
            }
            Value::Mapping(base)
        }
        (_, over) => over.clone(),
    }
}

/// The mistakes of [`BASE`] with this laid on it, or none.
fn mistakes(over: &Value) -> Vec<String> {
    let text = serde_yaml::to_string(&merged(yaml(BASE), over, "")).unwrap();
    match Plan::parse("x", &text, &Registry::builtin()) {
        Ok(_) => Vec::new(),
        Err(crate::Error::Recipe(lines)) => lines,
        Err(other) => panic!("{other}"),
    }
}

/// The value below the keys of a path: `a.b`, 3 → { a: { b: 3 } }.
fn at(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |value, key| Value::Mapping(Mapping::from_iter([(key.into(), value)])))
}

#[test]
fn defaults_are_filled_in_where_nothing_is_written() {
    let written = "data: { name: synthetic, batch: 8, broken: skip }
model: { name: resnet20 }
optimizer: { sgd: { momentum: 0.5 } }
ema: { decay: 0.99 }
length: 1 epochs
";
    let full = completed(yaml(written));
    let of = |path: &[&str]| path.iter().fold(&full, |value, key| &value[*key]).clone();
    assert_eq!(of(&["data", "broken"]), yaml("skip"));
    assert_eq!(of(&["data", "drop_last"]), yaml("false"));
    assert_eq!(of(&["optimizer", "sgd", "momentum"]), yaml("0.5"));
    assert_eq!(of(&["optimizer", "sgd", "nesterov"]), yaml("false"));
    assert_eq!(of(&["ema", "warmup"]), yaml("true"));
    assert_eq!(of(&["loss", "class_weights"]), yaml("none"));
    assert_eq!(of(&["schedule"]), yaml("cosine: { lr: 0.05, warmup: 0.05, floor: 0.0 }"));
    assert_eq!(of(&["policy"]), yaml("none"));
    assert_eq!(full.get("early_stop"), None);
    assert_eq!(completed(full.clone()), full, "complete is complete");
    let other = completed(yaml("model: { name: x, weights: y }\noptimizer: { adamw: {} }\nbranches: []"));
    assert_eq!(other["schedule"]["cosine"]["lr"], yaml("0.0002"));
    assert_eq!(other.get("policy"), None);
    // What is no mapping is for the readers to refuse.
    assert_eq!(completed(yaml("3")), yaml("3"));
    assert_eq!(completed(yaml("optimizer: 3"))["optimizer"], yaml("3"));
}

#[test]
fn four_keys_are_enough() {
    assert_eq!(mistakes(&yaml("{}")), [""; 0]);
    let required: Vec<&str> =
        section("").keys.iter().filter(|key| key.default == REQUIRED).map(|key| key.name).collect();
    assert_eq!(required, ["data", "model", "optimizer", "length"]);
}

#[test]
fn every_example_is_a_recipes() {
    for key in SECTIONS.iter().flat_map(|section| section.keys) {
        let example = yaml(key.example);
        assert_eq!(mistakes(&example), [""; 0], "{}: {}", key.name, key.example);
    }
}

/// A value of a kind that nothing takes is a mistake of every key: it is read, and not just known.
#[test]
fn every_key_is_read() {
    // What is understood once the data are open, or before a recipe is read.
    let later = ["data.sampler", "data.window", "extends"];
    let mut seen = 0;
    for section in SECTIONS {
        for path in
            section.keys.iter().map(|key| section.path_of(key)).filter(|path| !later.contains(&&**path))
        {
            let found = mistakes(&at(&path, yaml("[ { nonsense: [] } ]")));
            let named =
                |line: &String| line.contains(&format!("{path}:")) || line.contains(&format!("{path}["));
            assert!(found.iter().any(named), "{path}: {found:?}");
            seen += 1;
        }
    }
    assert!(seen > 80, "{seen}");
}

#[test]
fn every_required_key_is_missed() {
    for section in SECTIONS.iter().filter(|section| !section.path.is_empty()) {
        let empty = Value::Mapping(Mapping::new());
        let base = yaml(BASE).as_mapping().unwrap().clone();
        // Laid over nothing, where the base has the section.
        let bare: Mapping = base.into_iter().filter(|(key, _)| key.as_str() != Some(section.path)).collect();
        let text =
            serde_yaml::to_string(&merged(Value::Mapping(bare), &at(section.path, empty), "")).unwrap();
        let found = match Plan::parse("x", &text, &Registry::builtin()) {
            Err(crate::Error::Recipe(lines)) => lines,
            _ => Vec::new(),
        };
        for key in section.keys.iter().filter(|key| key.default == REQUIRED) {
            let line = format!("{}: is missing", section.path_of(key));
            assert!(found.iter().any(|found| found.contains(&line)), "{line}: {found:?}");
        }
    }
}

#[test]
fn the_keys_of_data_are_the_engines_and_the_sources() {
    let mut keys = section("data.split").names();
    let mut split = tallow_data::Split::KEYS.to_vec();
    keys.sort();
    split.sort();
    assert_eq!(keys, split);
    let own = section("data").names();
    for source in tallow_data::SOURCES {
        assert!(source.keys.iter().all(|(key, ..)| !own.contains(key)), "{}", source.name);
    }
}

/// What is recommended in the place of other tools' words is right, as far as it is a recipe's.
#[test]
fn what_stands_for_words_of_others_is_a_recipes() {
    let mut seen = 0;
    let by_section = crate::recipe::BY_SECTION.iter().flat_map(|(_, table)| table.iter());
    let all = crate::recipe::ELSEWHERE.iter().chain(by_section).chain(tallow_data::SPLIT_ELSEWHERE);
    for (words, ours) in all {
        for snippet in ours.split('`').skip(1).step_by(2) {
            let known = section("").names();
            let is_recipe = snippet.split_once(':').is_some_and(|(key, _)| known.contains(&key));
            if is_recipe && !snippet.contains('…') {
                assert_eq!(mistakes(&yaml(snippet)), [""; 0], "{words:?}: {snippet}");
                seen += 1;
            }
        }
    }
    assert!(seen > 90, "{seen}");
}

/// Each section's words are looked up below it alone, and none is said in vain.
#[test]
fn words_of_others_mean_what_they_mean_in_their_section() {
    let said = |over: &str| mistakes(&yaml(over)).join("\n");
    for (over, ours) in [
        ("loss: { gamma: 2 }", "`loss: { focal: 2.0 }`"),
        ("schedule: { step: { lr: 0.1, every: 1 epochs, gamma: 0.1 } }", "`factor` of step"),
        ("schedule: { gamma: 0.1 }", "`factor` of step"),
        ("ema: { momentum: 0.999 }", "in its place: `ema: { decay: 0.999 }`"),
        ("optimizer: { sgd: { learning_rate: 0.1 } }", "`schedule: { cosine: { lr: 0.01 } }`"),
        ("loss: focal", "expected a mapping, got `focal`; in its place: `loss: { focal: 2.0 }`"),
        ("optimizer: adamw", "`optimizer: { adamw: { decay: 0.05 } }`"),
        ("optimizer: sgd", "a mapping such as `optimizer: { sgd: { momentum: 0.9 } }`, got `sgd`"),
        ("optimizer: { AdamW: {} }", "did you mean `adamw`?"),
        ("data: { split: { val: 0.1 } }", "`data: { split: { validation: 0.15 } }`"),
        ("model: { freeze: { epochs: 3 } }", "`model: { freeze: { until: 3 epochs } }`"),
    ] {
        assert!(said(over).contains(ours), "{over}: {}", said(over));
    }
    for (path, table) in crate::recipe::BY_SECTION {
        let is_there =
            |section: &&Section| section.path == *path || section.path.starts_with(&format!("{path}."));
        assert!(SECTIONS.iter().any(|section| is_there(&section)), "{path}");
        assert!(!table.is_empty());
    }
}
