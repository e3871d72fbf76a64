//! The recipe, commented.

use super::Start;
use super::groups::Groups;
use serde_yaml::{Mapping, Value};
use std::collections::HashSet;
use tallow_data::{Survey, counted, first_few};

/// The share of the training images that validates, where no part does.
const VALIDATION: f64 = 0.15;
/// From so many images on a class has one in that share, rounded as a stratified split does.
const VALIDATED: usize = 4;
/// With fewer images a class is not weighed: each would count as much as all of a common class.
const WEIGHED: usize = 5;

pub fn recipe(name: &str, found: &Survey, start: &Start) -> String {
    let groups = Groups::of(found);
    let copies = Copies::of(found);
    let Data { map, comments, proposed } = data(found, &groups, copies.as_ref());
    let train = found.facts.images("train");
    let counts: Vec<usize> =
        (0..found.facts.classes.len()).map(|class| found.facts.of("train", class)).collect();
    let (fewest, most) =
        (counts.iter().min().copied().unwrap_or(0), counts.iter().max().copied().unwrap_or(0));
    let is_long = fewest * 3 < most;

    let mut text = format!(
        "# {name}: {} of {}, as `tallow new` found them.\n#   run    tallow train {name}.yaml\n#   claim  draft, not yet run\n",
        counted(found.parts.all().map(|part| part.len()).sum::<usize>(), "image"),
        counted(found.facts.classes.len(), "class")
    );
    let section = |comments: &[String], key: &str, value: Value| {
        let mut text: String = comments.iter().map(|comment| format!("# {comment}\n")).collect();
        text += &serde_yaml::to_string(&Mapping::from_iter([(Value::from(key), value)]))
            .expect("a YAML value is written");
        text
    };
    let yaml = |text: &str| serde_yaml::from_str::<Value>(text).expect("written here");
    text += &section(&comments, "data", Value::Mapping(map));
    text.extend(proposed.iter().map(|line| format!("#  {line}\n")));
    text += &section(std::slice::from_ref(&start.comment), "model", yaml(&start.model));
    let flip = "a mirrored picture must keep its class: take `flip` out where left and right mean something"
        .to_owned();
    text +=
        &section(&[flip], "images", yaml("[ { random_resized_crop: { scale: [0.5, 1.0] } }, { flip: {} } ]"));
    if !start.model.contains("weights") {
        let input = start.input;
        text += &section(&[], "evaluation", yaml(&format!("[ {{ resize: [{input}, {input}] }} ]")));
    }
    text += &section(&["what mixes samples: `tallow list presets`".to_owned()], "policy", "none".into());
    if is_long {
        let why =
            format!("in training the rarest class has {}, the commonest {most}", counted(fewest, "image"));
        if fewest < WEIGHED {
            text += &format!(
                "# {why}: too few to be weighed, which `loss: {{ class_weights: balanced }}` would do\n"
            );
        } else {
            let why = format!("{why}: each class counts alike");
            text += &section(&[why], "loss", yaml("{ class_weights: balanced }"));
        }
    }
    text += &section(&[], "optimizer", yaml("{ sgd: { momentum: 0.9, nesterov: true, decay: 5e-4 } }"));
    text += &section(&[], "schedule", yaml(&format!("{{ one_cycle: {{ lr: {} }} }}", start.lr)));
    let epochs = (20_000 / train.max(1)).clamp(10, 60);
    text += &section(&[], "length", format!("{epochs} epochs").into());
    text += &section(&[], "select", if is_long { "macro_f1" } else { "accuracy" }.into());
    text += &section(&[], "seed", 1.into());
    text
}

/// The section `data`.
struct Data {
    map: Mapping,
    comments: Vec<String>,
    /// Lines that are left to the person, behind a `#`.
    proposed: Vec<String>,
}

fn data(found: &Survey, groups: &Groups, copies: Option<&Copies>) -> Data {
    let mut map = Mapping::from_iter([("name".into(), found.source.name.into())]);
    map.extend(found.options.clone());
    let (mut comments, mut proposed) = (found.notes.clone(), Vec::new());
    let divides = found.parts.validation.is_none() || groups.anew;
    let mut split = Mapping::new();
    if divides {
        split.insert("validation".into(), VALIDATION.into());
    }
    if found.parts.validation.is_none() {
        comments.push(
            "split: no validation part is there, so 15 % of the training images, class by class".to_owned(),
        );
    }
    if groups.anew {
        split.insert("replace".into(), true.into());
    }
    if let Some(group) = &groups.group {
        split.insert("group".into(), group.clone());
    }
    comments.push(groups.said.clone());
    proposed.extend(groups.proposed.clone());
    if !split.is_empty() {
        map.insert("split".into(), Value::Mapping(split));
    }
    let unreadable = &found.facts.unreadable;
    let train = left(found, copies);
    let batch = [64, 32, 16, 8, 4, 2].into_iter().find(|batch| batch * 4 <= train * 85 / 100).unwrap_or(2);
    map.insert("batch".into(), batch.into());
    // How many images are learned from is known within a few: a batch of one is a matter of chance.
    if train * 85 / 100 % batch == 1 || train % batch == 1 {
        map.insert("drop_last".into(), true.into());
    }
    if let Some((first, _)) = unreadable.first() {
        map.insert("broken".into(), "skip".into());
        comments.push(format!(
            "broken: {} of {} files cannot be read, such as {first} ({} end before their image does), and are left out; fetch them again, \
             then take this key out",
            unreadable.len(),
            found.parts.all().map(|part| part.len()).sum::<usize>(),
            found.facts.ending_early()
        ));
    }
    if let Some(copies) = copies {
        comments.extend(found.identical.problems().into_iter().map(|problem| format!("copies: {problem}")));
        comments.push(copies.said.clone());
        match copies.drop {
            true => drop(map.insert("copies".into(), "drop".into())),
            false => proposed.push("copies: drop".to_owned()),
        }
    }
    if let Some((comment, line)) = unseen(found, divides) {
        comments.push(comment);
        proposed.extend(line);
    }
    if found.facts.kinds.keys().any(|kind| kind.ends_with("16 bits")) {
        map.insert("window".into(), "auto".into());
        comments.push(
            "window: of these 16-bit pictures the least level becomes black and the greatest white"
                .to_owned(),
        );
    }
    Data { map, comments, proposed }
}

/// Training images that are left without the unreadable and the copies, where those are dropped.
fn left(found: &Survey, copies: Option<&Copies>) -> usize {
    let unreadable: HashSet<&str> = found.facts.unreadable.iter().map(|(id, _)| id.as_str()).collect();
    let surplus = copies.filter(|copies| copies.drop).map(|_| found.identical.surplus()).unwrap_or_default();
    let Some(train) = &found.parts.train else { return 0 };
    let is_left = |index: &usize| {
        let id = train.id(*index);
        !unreadable.contains(id) && !surplus.contains(&("train", id))
    };
    (0..train.len()).filter(is_left).count()
}

/// Classes of which nothing is learned or nothing validates: what follows, and the line that leaves them out.
fn unseen(found: &Survey, divides: bool) -> Option<(String, Option<String>)> {
    let facts = &found.facts;
    let is_unseen = |class: &usize| {
        let (train, validation) = (facts.of("train", *class), facts.of("validation", *class));
        train == 0 || if divides { train < VALIDATED } else { validation == 0 }
    };
    let classes: Vec<usize> = (0..facts.classes.len()).filter(is_unseen).collect();
    let named: Vec<String> = classes
        .iter()
        .map(|&class| format!("`{}` (in training {})", facts.classes[class], facts.of("train", class)))
        .collect();
    let named = first_few(&named);
    let follows = format!(
        "too few images of {named}: none of them validates (or none is learned from), which counts as F1 0 in macro_f1"
    );
    let names: Vec<String> = classes.iter().map(|&class| flow(&facts.classes[class])).collect();
    match facts.classes.len() - classes.len() {
        _ if classes.is_empty() => None,
        // Nothing to tell apart would be left.
        0 | 1 => Some((format!("{follows}; find more images"), None)),
        _ => Some((
            format!("{follows}; find more images, or leave them out by `drop`"),
            Some(format!("drop: [{}]", names.join(", "))),
        )),
    }
}

/// A text within brackets of YAML.
fn flow(name: &str) -> String {
    let is_plain = name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
        && name.chars().any(char::is_alphabetic)
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&name.to_lowercase().as_str());
    if is_plain { name.to_owned() } else { format!("{name:?}") }
}

/// What the recipe does about images that are the same to the byte in two parts or under two labels.
pub struct Copies {
    /// Whether they are left out, so that the recipe trains as it is.
    pub drop: bool,
    pub said: String,
}

impl Copies {
    pub fn of(found: &Survey) -> Option<Copies> {
        if found.identical.problems().is_empty() {
            return None;
        }
        let surplus = found.identical.surplus();
        let mut left_out = Vec::new();
        let mut emptied = None;
        for (name, part) in [("train", &found.parts.train), ("validation", &found.parts.validation)] {
            let Some(part) = part else { continue };
            let is_left = |index: usize| !surplus.contains(&(name, part.id(index)));
            let (mut before, mut after) = (vec![0; part.classes().len()], vec![0; part.classes().len()]);
            for index in 0..part.len() {
                before[part.label(index) as usize] += 1;
                after[part.label(index) as usize] += usize::from(is_left(index));
            }
            let gone = part.len() - after.iter().sum::<usize>();
            if gone > 0 {
                left_out.push(format!("{gone} of {} {name} images", part.len()));
            }
            let class = (0..before.len()).find(|&class| before[class] > 0 && after[class] == 0);
            emptied =
                emptied.or(class.map(|class| format!("no {name} image of `{}`", part.classes()[class])));
        }
        let left_out = left_out.join(", ");
        Some(match (emptied, left_out.is_empty()) {
            (Some(emptied), _) => Copies {
                drop: false,
                said: format!(
                    "`copies: drop` would leave {left_out} out, and {emptied}, so a run stops (exit code 3) until you decide: delete the \
                     copies, leave a part out, or write `copies: drop` all the same"
                ),
            },
            (None, true) => Copies {
                drop: true,
                said: "`copies: drop` goes on: they are all in the test part, which stays as it is"
                    .to_owned(),
            },
            (None, false) => Copies {
                drop: true,
                said: format!(
                    "`copies: drop` leaves them out ({left_out}), so that nothing is learned that is judged by; the test part stays as it is"
                ),
            },
        })
    }
}
