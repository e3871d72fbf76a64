//! `data check RECIPE`: images that are there twice, and images that are none.

use super::{plan, refused, writable};
use crate::arguments::DataCheck as Arguments;
use crate::wrap::wrapped;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use tallow_data::{Broken, Exclusion, Near, Pair, Place, counted, write_exclusion};
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::{DataCheck, Error, Plan, check_data};

const LOOKED_FOR: [&str; 6] = [
    "groups in two parts",
    "identical images, to the byte or to the pixel",
    "near images: saved again, resized, cut by up to 10 % a side, mirrored, turned by 90°, brighter or darker",
    "identical images under different labels",
    "images that cannot be read",
    "images of one colour, tiny, or far from all others in brightness, contrast, colour, detail or shape",
];

pub fn check(arguments: &Arguments, registry: &Registry) -> anyhow::Result<()> {
    let progress = Progress::stderr();
    let plan = plan(&arguments.recipe, &arguments.overrides, registry, &progress)?;
    let list =
        arguments.fix.as_ref().map(|path| list(path.as_deref(), &arguments.recipe, &plan)).transpose()?;
    let found = check_data(&plan, arguments.fresh, &progress)?;
    let left_out = list.as_ref().map(|_| left_out(&found, &plan)).transpose()?;
    let written = match (&list, &left_out) {
        (Some(path), Some(rows)) if !rows.is_empty() => {
            write_exclusion(path, rows).map_err(Error::from)?;
            Some(path.as_path())
        }
        _ => None,
    };
    match arguments.json {
        true => println!("{}", serde_json::to_string_pretty(&as_json(&found, written))?),
        false => print!("{}", as_text(&found)),
    }
    if let (Some(path), Some(rows)) = (written, &left_out) {
        let use_it = match plan.data.exclude.as_deref() == Some(path) {
            true => String::new(),
            false => format!("; to leave them out, write `exclude: {}` below data", path.display()),
        };
        eprintln!("written: {}, {}{use_it}", path.display(), counted(rows.len(), "image"));
    } else if arguments.fix.is_some() {
        eprintln!("nothing to leave out: no list is written");
    }
    let problems = problems(&found, &plan);
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::Data(problems.join("\n")).into()),
    }
}

/// What makes the data unfit for use, a line each.
fn problems(found: &DataCheck, plan: &Plan) -> Vec<String> {
    let count = |count: usize, one: &str, many: &str| {
        (count > 0).then(|| if count == 1 { format!("1 {one}") } else { format!("{count} {many}") })
    };
    let findings = &found.checked.findings;
    let (across, classes) =
        (findings.identical.across_parts().len(), findings.identical.across_classes().len());
    let near = findings.near_across_parts().count();
    let near_classes = findings.near_across_classes().count();
    let broken = checked_broken(found).filter(|_| !plan.data.skip_broken).count();
    let lines = [
        count(found.groups.len(), "group is in two parts", "groups are in two parts")
            .map(|line| format!("{line} – put all images of a group on one side")),
        count(across, "image is in two parts", "images are in two parts")
            .map(|line| format!("{line} – keep each in one part")),
        count(near, "set of near images is in two parts", "sets of near images are in two parts")
            .map(|line| format!("{line} – look at them, and keep each in one part")),
        count(classes, "image is under two labels", "images are under two labels")
            .map(|line| format!("{line} – keep the right label of each")),
        count(
            near_classes,
            "set of near images is under two labels",
            "sets of near images are under two labels",
        )
        .map(|line| format!("{line} – look at them, and keep the right label of each")),
        count(broken, "image cannot be read", "images cannot be read")
            .map(|line| format!("{line} – mend them, or train without them (data.broken=skip)")),
    ];
    let mut lines: Vec<String> = lines.into_iter().flatten().collect();
    if let Some(last) = lines.last_mut() {
        *last += "; `--fix` writes a list to leave out";
    }
    lines
}

/// Images that cannot be read, with their part and why.
fn checked_broken(found: &DataCheck) -> impl Iterator<Item = (&str, &Broken)> {
    found
        .checked
        .broken
        .iter()
        .flat_map(|(part, images)| images.iter().map(move |image| (part.as_str(), image)))
}

fn ids(set: &[Place]) -> Vec<&str> {
    set.iter().map(|place| place.id.as_str()).collect()
}

fn as_json(found: &DataCheck, written: Option<&Path>) -> Value {
    let (checked, findings) = (&found.checked, &found.checked.findings);
    let parts: BTreeMap<&str, usize> =
        found.parts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let pair = |pair: &Pair| {
        json!({
            "images": [pair.first.id, pair.second.id],
            "parts": [pair.first.part, pair.second.part],
            "labels": [pair.first.class, pair.second.class],
            "correlation": pair.correlation,
            "probability": pair.probability,
            "same_group": pair.same_group,
        })
    };
    let broken = checked_broken(found)
        .map(|(part, image)| json!({ "image": image.id, "part": part, "why": image.reason }));
    json!({
        "images": checked.images,
        "parts": parts,
        "looked_for": LOOKED_FOR,
        "candidates": checked.candidates,
        "decoded": checked.decoded,
        "groups": found.groups.iter()
            .map(|(group, places)| json!({ "group": group, "images": ids(places) })).collect::<Vec<_>>(),
        "identical": findings.identical.0.iter().map(|set| ids(set)).collect::<Vec<_>>(),
        "near": findings.near.iter().map(|near| ids(&near.images)).collect::<Vec<_>>(),
        "conflicting": findings.identical.across_classes().into_iter().map(ids).collect::<Vec<_>>(),
        "across_parts": findings.across_parts().into_iter().map(ids).collect::<Vec<_>>(),
        "pairs": findings.near.iter().flat_map(|near| &near.pairs).map(pair).collect::<Vec<_>>(),
        "odd": checked.odd.iter()
            .map(|(place, why)| json!({ "image": place.id, "part": place.part, "why": why })).collect::<Vec<_>>(),
        "broken": broken.collect::<Vec<_>>(),
        "written": written.map(|path| path.display().to_string()),
    })
}

/// What was looked at and for, and what was found.
fn as_text(found: &DataCheck) -> String {
    let (checked, findings) = (&found.checked, &found.checked.findings);
    let parts: Vec<String> = found.parts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let closely = match checked.candidates {
        Some(candidates) => format!("{} compared closely", counted(candidates, "pair")),
        None => "an earlier check compared the pairs".to_owned(),
    };
    let mut text = format!(
        "{} looked at ({}), {} of them decoded now, the rest known from earlier checks; {}\nlooked for\n",
        counted(checked.images, "image"),
        parts.join(", "),
        checked.decoded,
        closely
    );
    let mut line = |words: &str, by: usize| text += &format!("{}\n", wrapped(words, by));
    LOOKED_FOR.iter().for_each(|what| line(what, 2));
    if found.group_name.is_none() {
        line("no patient or lesion ids are known: groups could not be looked at", 2);
    }
    found.notes.iter().for_each(|note| line(note, 2));
    let named = |place: &Place| format!("{} ({}, {})", place.id, place.part, place.class);
    let all = |set: &[Place], by: &str| set.iter().map(&named).collect::<Vec<_>>().join(by);
    let sections: [(&str, Vec<String>); 5] = [
        (
            "groups in two parts",
            found.groups.iter().map(|(group, set)| format!("{group}: {}", all(set, ", "))).collect(),
        ),
        ("identical", findings.identical.0.iter().map(|set| all(set, " = ")).collect()),
        ("near", findings.near.iter().map(|near| pairs(near, &named)).collect()),
        ("odd", checked.odd.iter().map(|(place, why)| format!("{}: {why}", named(place))).collect()),
        (
            "cannot be read",
            checked_broken(found)
                .map(|(part, image)| format!("{} ({part}): {}", image.id, image.reason))
                .collect(),
        ),
    ];
    for (name, lines) in sections {
        const SHOWN: usize = 30;
        line(
            &format!(
                "{name}: {}",
                if lines.is_empty() { "none".to_owned() } else { lines.len().to_string() }
            ),
            0,
        );
        lines.iter().take(SHOWN).for_each(|words| line(words, 2));
        if lines.len() > SHOWN {
            line(&format!("… and {} more (all with --json)", lines.len() - SHOWN), 2);
        }
    }
    text
}

fn pairs(near: &Near, named: &dyn Fn(&Place) -> String) -> String {
    let told = |pair: &Pair| {
        let group = if pair.same_group { ", one group" } else { "" };
        let labels = if pair.is_under_two_labels() { ", two labels" } else { "" };
        let percent = 100.0 * pair.probability;
        format!(
            "{} ≈ {}, {percent:.0} % (correlation {:.2}{group}{labels})",
            named(&pair.first),
            named(&pair.second),
            pair.correlation
        )
    };
    near.pairs.iter().map(told).collect::<Vec<_>>().join("; ")
}

/// Where a list goes: where it is said to, else where the recipe reads one, else beside the recipe. A file that the recipe does not read
/// is not written over.
fn list(said: Option<&Path>, recipe: &Path, plan: &Plan) -> Result<PathBuf, Error> {
    let own = plan.data.exclude.as_deref();
    let beside = || recipe.with_extension("exclude.csv");
    let path = said.or(own).map_or_else(beside, Path::to_path_buf);
    if own != Some(&path) && path.exists() {
        return Err(refused("--fix", &path, io::ErrorKind::AlreadyExists.into()));
    }
    writable("--fix", &path)?;
    Ok(path)
}

/// Images to leave out, and why: those that cannot be read; those under two labels; of images and groups in several parts all but those of the last of train,
/// validation, test. What the recipe leaves out already stays on its list. Empty where nothing new is to be left out.
fn left_out(found: &DataCheck, plan: &Plan) -> Result<Vec<(String, String)>, Error> {
    let order = |part: &str| ["train", "validation", "test"].iter().position(|name| *name == part);
    let own = plan.data.exclude.as_deref().map(Exclusion::read).transpose()?;
    let mut rows: Vec<(String, String)> = own.map_or(Vec::new(), |own| own.rows);
    let before = rows.len();
    let mut known: BTreeSet<String> = rows.iter().map(|(image, _)| image.clone()).collect();
    let mut add = |id: &str, why: String| {
        if known.insert(id.to_owned()) {
            rows.push((id.to_owned(), why));
        }
    };
    let findings = &found.checked.findings;
    for set in findings.identical.across_classes() {
        let classes: BTreeSet<&str> = set.iter().map(|place| place.class.as_str()).collect();
        let classes: Vec<&str> = classes.into_iter().collect();
        // A test part stays as it was given.
        set.iter()
            .filter(|place| place.part != "test")
            .for_each(|place| add(&place.id, format!("identical under {}", classes.join(" and "))));
    }
    let near = findings.near_across_classes().flat_map(|near| &near.pairs);
    for Pair { first, second, .. } in near.filter(|pair| pair.is_under_two_labels()) {
        for (place, other) in
            [(first, second), (second, first)].into_iter().filter(|(place, _)| place.part != "test")
        {
            add(&place.id, format!("near {}, which is {}", other.id, other.class));
        }
    }
    let groups = found.groups.iter().map(|(group, set)| (&set[..], format!("of {group}, which is in")));
    let copies = findings.across_parts().into_iter().map(|set| (set, "a copy is in".to_owned()));
    for (set, what) in copies.chain(groups) {
        let last = set.iter().max_by_key(|place| order(&place.part)).expect("two parts");
        set.iter()
            .filter(|place| place.part != last.part)
            .for_each(|place| add(&place.id, format!("{what} {}", last.part)));
    }
    checked_broken(found).for_each(|(_, image)| add(&image.id, "cannot be read".to_owned()));
    if rows.len() == before {
        rows.clear();
    }
    Ok(rows)
}
