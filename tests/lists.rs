//! Lists and folders agree; the arrows between the crates are those of ARCHITECTURE.md.

use crate::program::{Desk, root};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Names of the files below a folder with that extension, without it; not of folders within.
fn stems(folder: &str, extension: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let paths = entries.map(|entry| entry.unwrap().path());
    let of_kind = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    of_kind.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Every file of that extension below a folder.
pub fn below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_policy_is_a_file_and_in_the_list() {
    let registry = tallow_policy::Registry::builtin();
    let mut seen = 0;
    for (folder, images) in [("image", true), ("mix", false)] {
        let listed = registry.policies.iter().filter(|spec| spec.is_image() == images);
        let listed: BTreeSet<String> = listed.map(|spec| spec.name.to_owned()).collect();
        let mut files = stems(&format!("crates/policy/src/{folder}"), "rs");
        assert!(files.remove("mod"));
        assert_eq!(listed, files);
        seen += files.len();
    }
    assert!(seen >= 13, "{seen}");
}

#[test]
fn the_page_of_recipes_is_as_its_command_makes_it() {
    let desk = Desk::empty();
    desk.tallow(&["list", "recipe", "--markdown", "docs"]).ok();
    let kept = fs::read_to_string(root().join("docs/recipe.md")).unwrap();
    assert!(
        desk.read("docs/recipe.md") == kept,
        "make it again: cargo run --bin tallow -- list recipe --markdown docs"
    );
}

/// The page and its pictures are what the command makes now. Pictures are compared as people see them: the last bit of a
/// blended pixel may differ between processors.
#[test]
fn the_page_of_policies_is_as_its_command_makes_it() {
    let again = "make it again: cargo run --bin tallow -- list policies --markdown docs";
    let desk = Desk::empty();
    desk.tallow(&["list", "policies", "--markdown", "docs"]).ok();
    let page = fs::read_to_string(root().join("docs/policies.md")).unwrap();
    assert!(page == desk.read("docs/policies.md"), "docs/policies.md is out of date; {again}");
    let names: BTreeSet<String> = desk.names("docs/policies").into_iter().collect();
    let expected: BTreeSet<String> =
        stems("docs/policies", "jpg").into_iter().map(|stem| format!("{stem}.jpg")).collect();
    assert_eq!(names, expected, "docs/policies; {again}");
    let mut bytes = 0;
    for name in names {
        let path = root().join("docs/policies").join(&name);
        bytes += fs::metadata(&path).unwrap().len();
        let open = |path: &Path| image::open(path).unwrap().to_rgb8();
        let (ours, made) = (open(&path), open(&desk.path("docs/policies").join(&name)));
        assert_eq!(ours.dimensions(), made.dimensions(), "{name}; {again}");
        let apart: u64 = ours.iter().zip(made.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = apart as f64 / ours.len() as f64;
        assert!(mean < 0.5, "{name}: {mean} levels apart; {again}");
    }
    assert!(bytes < 1_500_000, "{bytes} bytes of pictures");
}

/// What the table of other toolkits calls ours is ours.
#[test]
fn the_table_of_methods_names_what_there_is() {
    let registry = tallow_policy::Registry::builtin();
    let page = fs::read_to_string(root().join("crates/cli/src/commands/catalogue/peers.md")).unwrap();
    let mut named = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 7, "{row}");
        for name in cells[1].split('`').skip(1).step_by(2) {
            let known = registry.find(name).is_some();
            assert!(
                known || ["at", "one_of", "per_sample", "shuffled"].contains(&name),
                "no policy `{name}`: {row}"
            );
            named.insert(name);
        }
    }
    let missing: Vec<&str> =
        registry.mixes().map(|spec| spec.name).filter(|name| !named.contains(name)).collect();
    assert!(missing.is_empty(), "mixes without a row: {missing:?}");
}

#[test]
fn every_preset_is_a_file_and_in_the_list() {
    let mut seen = 0;
    for (name, text) in tallow_policy::PRESETS {
        assert_eq!(fs::read_to_string(root().join(format!("policies/{name}.yaml"))).unwrap(), *text);
        assert!(text.starts_with("# "), "{name} does not say what it is");
        seen += 1;
    }
    assert_eq!(stems("policies", "yaml").len(), seen);
    assert!(seen >= 11);
}

/// The head of a recipe is its claim.
#[test]
fn every_recipe_says_how_it_is_run_and_what_came_of_it() {
    let names = stems("recipes", "yaml");
    assert!(names.len() > 20, "{}", names.len());
    for name in names {
        let text = fs::read_to_string(root().join(format!("recipes/{name}.yaml"))).unwrap();
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        let run = format!("#   run    cargo run --bin train -- recipes/{name}.yaml");
        assert!(head.iter().any(|line| line.starts_with(&run)), "{name}: no line `{run}`");
        assert!(head.iter().any(|line| line.starts_with("#   claim  ")), "{name}: no claim");
    }
}

/// A source is a file that makes a `SourceSpec`.
#[test]
fn every_dataset_is_in_the_list() {
    let mut made = 0;
    for path in below(&root().join("crates/data/src"), "rs") {
        let text = fs::read_to_string(&path).unwrap();
        made += text.matches(": SourceSpec = ").count();
    }
    let listed: BTreeSet<&str> = tallow_data::SOURCES.iter().map(|source| source.name).collect();
    assert_eq!(listed.len(), tallow_data::SOURCES.len());
    assert_eq!(listed.len(), made, "{listed:?}");
    assert!(made >= 10);
}

#[test]
fn every_model_and_metric_is_found_by_its_name() {
    for model in tallow_models::MODELS {
        let same = tallow_models::MODELS.iter().filter(|other| other.name == model.name).count();
        assert_eq!((tallow_models::find(model.name).unwrap().name, same), (model.name, 1));
        assert_eq!((model.taps[0], model.taps.last()), ("input", Some(&"penultimate")), "{}", model.name);
    }
    let names: BTreeSet<&str> = tallow_metrics::METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), tallow_metrics::METRICS.len());
    assert!(tallow_models::MODELS.len() >= 10 && names.len() >= 16);
}

/// A number that may be 1 has its noun from `tallow_data::counted`: no text writes the plural behind it. Parts of a whole, "2 of 5
/// images", and rates are as they are.
#[test]
fn no_plural_is_fixed() {
    const NOUNS: [&str; 10] = [
        "images", "files", "epochs", "steps", "batches", "tensors", "threads", "groups", "entries",
        "branches",
    ];
    // At least ten.
    const LARGE: [&str; 1] = ["{epochs} epochs\").into()"];
    let mut seen = 0;
    for name in ["data", "train", "report", "cli"] {
        for path in below(&root().join(format!("crates/{name}/src")), "rs") {
            if path.ends_with("tests.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for (at, _) in line.match_indices("} ") {
                    let (before, after) =
                        (line[..at].rsplit_once('{').map_or("", |(before, _)| before), &line[at + 2..]);
                    let is_noun = |noun: &&str| {
                        after
                            .strip_prefix(*noun)
                            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '/'))
                    };
                    let fixed = NOUNS.iter().any(is_noun)
                        && ![" of ", " of {} "].iter().any(|part| before.ends_with(part));
                    assert!(
                        !fixed || LARGE.iter().any(|large| line.contains(large)),
                        "{}: {line}",
                        path.display()
                    );
                }
                seen += line.matches("counted(").count();
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

/// What each crate may use, by the table of ARCHITECTURE.md: `name` | names, without what stands in brackets or after a `;`.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, table) = text.split_once("| crate | may use |").expect("a table of what each crate may use");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut arrows = BTreeMap::new();
    for row in rows {
        let [names, uses] = row.trim_matches('|').split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let words = |text: &str| -> Vec<String> {
            let outside: Vec<&str> =
                text.split('(').map(|part| part.split_once(')').map_or(part, |(_, rest)| rest)).collect();
            let names = outside.concat().replace([';', '`'], ",");
            names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        for name in words(names) {
            arrows.insert(name, words(uses).into_iter().collect());
        }
    }
    arrows
}

/// Names of the dependencies of a crate, without those of its tests.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.ends_with("dependencies]") && !section.contains("dev-");
        } else if inside && !line.starts_with('#') {
            names.extend(
                line.split(['.', '=', ' ']).next().filter(|name| !name.is_empty()).map(str::to_owned),
            );
        }
    }
    names
}

#[test]
fn the_arrows_between_crates_are_those_of_the_page() {
    let arrows = arrows();
    let entries = fs::read_dir(root().join("crates")).unwrap();
    let crates: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(arrows.keys().cloned().collect::<BTreeSet<_>>(), crates);
    for (name, uses) in &arrows {
        let manifest = fs::read_to_string(root().join(format!("crates/{name}/Cargo.toml"))).unwrap();
        let found = dependencies(&manifest);
        assert!(!found.is_empty(), "{name} was not read");
        let ours: BTreeSet<String> =
            found.iter().filter_map(|other| other.strip_prefix("tallow-")).map(str::to_owned).collect();
        match uses.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["everything"] => assert!(ours.is_subset(&crates)),
            ["nothing of ours"] => {
                assert!(ours.is_empty(), "{name} may use nothing of ours, and uses {ours:?}")
            }
            _ => assert_eq!(&ours, uses, "{name}: its Cargo.toml and ARCHITECTURE.md differ"),
        }
        if name != "seed" {
            let random: Vec<&String> = found.iter().filter(|other| other.starts_with("rand")).collect();
            assert!(random.is_empty(), "{name} makes random numbers of its own: {random:?}");
        }
    }
}

/// A package holds what `include` says, and nothing of the repository around it.
#[test]
fn every_crate_is_a_package() {
    let read =
        |path: PathBuf| fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let manifest = read(root().join("Cargo.toml"));
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let own = read(folder.join("Cargo.toml"));
        for line in ["description = ", "license.workspace = true", "include.workspace = true", "keywords = "]
        {
            assert!(own.contains(line), "{}: no line `{line}`", folder.display());
        }
        let name = folder.file_name().unwrap().to_str().unwrap();
        let version = format!("tallow-{name} = {{ version = ");
        assert!(manifest.contains(&version), "Cargo.toml: no line `{version}…`");
        for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert_eq!(read(folder.join(license)), read(root().join(license)), "{}", folder.display());
        }
        for path in below(&folder.join("src"), "rs") {
            let text = read(path.clone());
            // Modules of tests are not compiled in a package.
            let code = text.split("#[cfg(test)]").next().unwrap();
            let depth = path.strip_prefix(&folder).unwrap().components().count() - 1;
            let outside = format!("include_str!(\"{}", "../".repeat(depth + 1));
            let of_tests = path.ends_with("inspect/curve.rs");
            assert!(of_tests || !code.contains(&outside), "{}: a file of another folder", path.display());
        }
    }
}

/// What is optimised is there.
#[test]
fn the_profile_names_packages_of_the_build() {
    let [manifest, lock] =
        ["Cargo.toml", "Cargo.lock"].map(|name| fs::read_to_string(root().join(name)).unwrap());
    let (_, profile) = manifest.split_once("[profile.dev.package]").expect("a table of packages");
    let lines = profile.lines().filter(|line| line.contains("opt-level") && !line.starts_with(['#', '"']));
    let names: Vec<&str> = lines.map(|line| line.split(' ').next().unwrap()).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(lock.contains(&format!("\nname = \"{name}\"\n")), "Cargo.toml: no package `{name}`");
    }
}

/// What a text cannot hold without breaking the plan: (folder, words that may not be there, why).
const ABSENCES: [(&str, &[&str], &str); 5] = [
    ("policy", &["tallow_models", "tallow_train"], "policy knows no network"),
    ("models", &["tallow_policy", "tallow_data"], "models know no policy"),
    ("metrics", &["candle", "tallow_policy"], "metrics know no tensors"),
    ("data", &["tallow_policy", "tallow_models"], "data hand over bytes"),
    ("report", &["candle", "tallow_train"], "reports read numbers"),
];

#[test]
fn what_must_not_be_is_not() {
    for (name, words, why) in ABSENCES {
        let files = below(&root().join(format!("crates/{name}/src")), "rs");
        assert!(files.len() >= 5, "{name}: {} files", files.len());
        for path in files {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                let found = words.iter().find(|word| line.contains(&format!("{word}::")));
                assert!(found.is_none(), "{}: {why}: {line}", path.display());
            }
        }
    }
    let random = ["Tensor::rand", "rand::rng", "thread_rng", "candle_nn::Dropout"];
    let mut seen = 0;
    let own = root().join("crates/seed");
    for path in below(&root().join("crates"), "rs").into_iter().filter(|path| !path.starts_with(&own)) {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let found = random.iter().find(|word| line.contains(**word));
            assert!(found.is_none(), "{}: random numbers come from tallow_seed: {line}", path.display());
            let shares = "shares memory on Metal; tallow_kernels::copy does not";
            assert!(!line.contains(".copy()"), "{}: `Tensor::copy` {shares}: {line}", path.display());
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(!["utils", "util", "common", "helpers", "misc"].contains(&name), "{}", path.display());
        seen += 1;
    }
    assert!(seen > 100, "{seen}");
}

/// Every command that the README and the contribution guide show is one.
#[test]
fn the_readmes_commands_exist() {
    let help = Desk::empty().tallow(&["--help"]).ok().out;
    let known: BTreeSet<&str> =
        help.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next()).collect();
    let mut seen = 0;
    for name in ["README.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root().join(name)).unwrap();
        for rest in text.split("`tallow ").skip(1).chain(text.split("\ntallow ").skip(1)) {
            let command = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            assert!(known.contains(command), "{name}: tallow {command}");
            seen += 1;
        }
    }
    assert!(seen > 6, "{seen} commands");
}
