//! Documents of files that the tests write.

use super::*;

fn mistake(path: &str) -> Mistake {
    Mistake { path: path.into(), message: "wrong".into() }
}

#[test]
fn overrides_replace_and_are_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base.yaml");
    let recipe = folder.path().join("recipe.yaml");
    std::fs::write(&base, "a: { x: 1, y: 2 }\noptimizer: { sgd: { momentum: 0.9 } }\n").unwrap();
    std::fs::write(&recipe, "extends: base.yaml\na:\n  y: 3\nb: [1, { c: 2 }]\n").unwrap();
    let overrides = ["b[1].c=5=6".to_string(), "optimizer.adamw.decay=0.1".to_string()];
    let document = Document::read(&recipe, &overrides).unwrap();
    let expected = "a: { x: 1, y: 3 }\noptimizer: { adamw: { decay: 0.1 } }\nb: [1, { c: '5=6' }]\n";
    assert_eq!(document.value, serde_yaml::from_str::<Value>(expected).unwrap());
    let name = |path: &Path| path.display().to_string();
    assert_eq!(document.locate(&mistake("a.x")), format!("{}:1:9: a.x: wrong", name(&base)));
    assert_eq!(document.locate(&mistake("a.y")), format!("{}:3:6: a.y: wrong", name(&recipe)));
    assert_eq!(document.locate(&mistake("b[1].c")), "override `b[1].c=5=6`: b[1].c: wrong");
    assert_eq!(document.locate(&mistake("b[1].zzz")), format!("{}:4:8: b[1].zzz: wrong", name(&recipe)));
    assert_eq!(document.locate(&mistake("length")), format!("{}: length: wrong", name(&recipe)));
    // What an override set a part of.
    assert_eq!(document.locate(&mistake("b")), "override `b[1].c=5=6`: b: wrong");
    assert_eq!(document.locate(&mistake("b[0]")), format!("{}:4:5: b[0]: wrong", name(&recipe)));
    let overrides = ["ema.warmup=false".to_string()];
    let document = Document::read(&recipe, &overrides).unwrap();
    assert_eq!(document.locate(&mistake("ema.decay")), "override `ema.warmup=false`: ema.decay: wrong");
    assert_eq!(document.locate(&mistake("emable")), format!("{}: emable: wrong", name(&recipe)));
}

#[test]
fn a_policy_replaces_branches_and_the_other_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let (base, recipe) = (folder.path().join("base.yaml"), folder.path().join("recipe.yaml"));
    std::fs::write(&base, "policy: mixup\n").unwrap();
    std::fs::write(&recipe, "extends: base.yaml\nbranches: [ {} ]\n").unwrap();
    let keys = |overrides: &[String]| -> Vec<String> {
        let value = Document::read(&recipe, overrides).unwrap().value;
        value.as_mapping().unwrap().keys().map(|key| key.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&[]), ["branches"]);
    assert_eq!(keys(&["policy=none".into()]), ["policy"]);
    assert_eq!(keys(&["policy=none".into(), "branches=[]".into()]), ["branches"]);
    // Written side by side, both stay, and the plan says so.
    std::fs::write(&base, "policy: mixup\nbranches: [ {} ]\n").unwrap();
    std::fs::write(&recipe, "extends: base.yaml\n").unwrap();
    assert_eq!(keys(&[]), ["policy", "branches"]);
}

#[test]
fn a_wrong_override_says_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe.yaml");
    std::fs::write(&recipe, "policy: mixup\nlist: [1]\n").unwrap();
    let overrides = ["policy.branches=1", "list[3]=1", "novalue"].map(String::from);
    let mistakes = Document::read(&recipe, &overrides).err().unwrap();
    assert_eq!(
        mistakes,
        [
            "override `policy.branches=1`: policy: expected a mapping, got `mixup`",
            "override `list[3]=1`: list: has 1 entry, no [3]",
            "override `novalue`: expected key=value, such as optimizer.sgd.momentum=0.9"
        ]
    );
}

#[test]
fn circles_and_missing_bases_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.yaml"), folder.path().join("b.yaml"));
    std::fs::write(&a, "extends: b.yaml").unwrap();
    std::fs::write(&b, "extends: a.yaml").unwrap();
    let mistake = || Document::read(&a, &[]).err().unwrap().remove(0);
    assert!(mistake().ends_with("a.yaml is extended in a circle; remove one `extends`"));
    std::fs::write(&b, "extends: c.yaml").unwrap();
    assert!(mistake().contains("there is no"));
}

#[test]
fn what_is_beyond_bounds_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe.yaml");
    let refused = |text: &str, overrides: &[String], expected: &str| {
        std::fs::write(&recipe, text).unwrap();
        let mistakes = Document::read(&recipe, overrides).err().expect(expected);
        assert!(mistakes[0].contains(expected) && mistakes[0].len() < 500, "{mistakes:?}");
    };
    let deep = "[".repeat(101) + &"]".repeat(101);
    refused(&format!("a: 1\nb: {deep}\n"), &[], "recipe.yaml:2:103: more than 100 levels");
    refused(&"x".repeat(1_100_000), &[], "recipe.yaml: more than 1048576 bytes, expected a recipe");
    refused("a: 1\n", &[format!("b={deep}")], "more than 100 levels");
    refused("a: 1\n", &[format!("{}b=1", "b.".repeat(100))], "more than 100 levels");
    #[cfg(unix)]
    {
        let mistakes = Document::read(Path::new("/dev/zero"), &[]).err().unwrap();
        assert!(mistakes[0].starts_with("/dev/zero: more than 1048576 bytes"), "{mistakes:?}");
    }
    for i in 0..30 {
        let text = format!("extends: {}.yaml\na: {i}\n", i + 1);
        std::fs::write(folder.path().join(format!("{i}.yaml")), text).unwrap();
    }
    let mistakes = Document::read(&folder.path().join("0.yaml"), &[]).err().unwrap();
    assert!(mistakes[0].contains("20.yaml:1:10: extends: a chain of more than 20 recipes"), "{mistakes:?}");
    // Of many mistakes the first are shown, and none is longer than a person reads.
    let document = Document::parse("x.yaml", "a: 1\n").unwrap();
    let lines = document.locate_all(&vec![mistake("a"); 150]);
    assert_eq!((lines.len(), lines.last().unwrap().as_str()), (101, "x.yaml: and 50 more mistakes"));
    assert_eq!(kind(&Value::String("x".repeat(9999))).chars().count(), 203);
}

#[test]
fn many_mistakes_are_found_in_no_time_and_told_in_few_lines() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe.yaml");
    let keys: String = (0..9_000).map(|i| format!("{}{i}: 1\n", "k".repeat(80))).collect();
    let (begun, registry) = (std::time::Instant::now(), tallow_policy::Registry::builtin());
    std::fs::write(&recipe, keys).unwrap();
    let error = crate::Plan::read(&recipe, &[], &registry).err().unwrap().to_string();
    assert!(error.lines().count() == 101 && error.contains("unknown key `kkk"), "{error}");
    // With `data`, `model`, `optimizer` and `length`, which are missing.
    assert!(error.ends_with("recipe.yaml: and 8904 more mistakes"), "{error}");
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}
