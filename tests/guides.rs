//! What the guides of docs/ say can be done: their recipes plan, the commands and options that they type are there, links lead somewhere.

use crate::program::{Desk, root};
use std::collections::BTreeMap;

const GUIDES: [&str; 11] = [
    "board",
    "own_images",
    "data_check",
    "fine_tune",
    "report",
    "look",
    "calibrate",
    "from_others",
    "evidence",
    "protocol",
    "gpu",
];

/// What a block marked `yaml partial` is written over.
const BASE: &str = "\
data: { name: folder, root: images, batch: 32, split: { validation: 0.15 } }
model: { name: resnet18, input: 224 }
optimizer: { sgd: {} }
length: 5 epochs
";

fn text(guide: &str) -> String {
    let path = root().join(format!("docs/{guide}.md"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Text between fences.
struct Block {
    /// What stands behind the opening fence.
    info: String,
    /// Where that is, from 1.
    line: usize,
    body: String,
}

/// The blocks of a page, and its prose on one line.
fn parsed(page: &str) -> (Vec<Block>, String) {
    let (mut blocks, mut prose) = (Vec::new(), String::new());
    let mut open: Option<Block> = None;
    for (line, number) in page.lines().zip(1..) {
        let fence = line.strip_prefix("```");
        if let Some(info) = fence.filter(|_| open.is_none()) {
            open = Some(Block { info: info.to_owned(), line: number, body: String::new() });
        } else if fence.is_some() {
            blocks.extend(open.take());
        } else if let Some(block) = &mut open {
            block.body += line;
            block.body.push('\n');
        } else {
            prose += line;
            prose.push(' ');
        }
    }
    assert!(open.is_none(), "a block is not closed");
    (blocks, prose)
}

#[test]
fn every_recipe_of_a_guide_plans() {
    let desk = Desk::empty();
    desk.write("base.yaml", BASE);
    let mut files = vec!["base.yaml".to_owned()];
    for guide in GUIDES {
        for Block { info, line, body } in parsed(&text(guide)).0 {
            let name = format!("{guide}_{line}.yaml");
            match &*info {
                "yaml" => {
                    let is_whole =
                        ["data:", "model:"].iter().all(|key| body.lines().any(|line| line.starts_with(key)));
                    assert!(is_whole, "docs/{guide}.md:{line}: no whole recipe; mark it `yaml partial`");
                    desk.write(&name, body);
                }
                "yaml partial" => desk.write(&name, format!("extends: base.yaml\n{body}")),
                _ => {
                    assert!(!info.starts_with("yaml"), "docs/{guide}.md:{line}: {info}");
                    continue;
                }
            }
            files.push(name);
        }
    }
    assert!(files.len() > 10, "{files:?}");
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    let said = desk.tallow(&[&["check"], &names[..]].concat()).ok();
    let expected: Vec<String> = names.iter().map(|name| format!("{name}: ok")).collect();
    assert_eq!(said.out.lines().collect::<Vec<_>>(), expected);
}

/// Every `tallow …` of a page, in blocks of commands and in its sentences.
fn commands(page: &str) -> Vec<String> {
    let (blocks, prose) = parsed(page);
    let shell = blocks.iter().filter(|block| block.info == "sh");
    let lines = shell
        .flat_map(|block| block.body.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>());
    let spans = prose.split('`').skip(1).map(str::to_owned);
    // An environment or a loop may stand before it in a line; a sentence that only mentions it is no command.
    let from_tallow = |text: String| Some(text[text.find("tallow ")?..].to_owned());
    let in_lines = lines.filter_map(from_tallow);
    let in_spans =
        spans.filter(|span| span.starts_with("tallow ") || span.starts_with("HF_HUB_OFFLINE=1 tallow "));
    in_lines.chain(in_spans.filter_map(from_tallow)).collect()
}

#[test]
fn commands_of_a_guide_are_there() {
    let desk = Desk::empty();
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    let mut options = 0;
    for guide in GUIDES {
        for command in commands(&text(guide)) {
            let words: Vec<&str> =
                command.split_whitespace().skip(1).map(|word| word.trim_end_matches(';')).collect();
            let asked = &words[..if ["bench", "data"].contains(&words[0]) { 2 } else { 1 }];
            let help = helps
                .entry(asked.join(" "))
                .or_insert_with(|| desk.tallow(&[asked, &["--help"]].concat()).ok().out);
            let known: Vec<&str> = help.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
            for option in words.iter().filter(|word| word.starts_with('-')) {
                assert!(known.contains(option), "docs/{guide}.md: {command}: no option {option}");
                options += 1;
            }
        }
    }
    assert!(helps.len() > 6 && options > 10, "{:?}, {options} options", helps.keys());
}

#[test]
fn guides_are_short_and_linked() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for guide in GUIDES {
        assert!(readme.contains(&format!("](docs/{guide}.md)")), "README.md does not lead to {guide}");
        let page = text(guide);
        assert!(page.lines().count() < 150, "docs/{guide}.md: {} lines", page.lines().count());
        let links = page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap_or_default());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let path = root().join("docs").join(file);
            assert!(path.is_file(), "docs/{guide}.md: no {link}");
            let there =
                if heading.is_empty() { String::new() } else { std::fs::read_to_string(path).unwrap() };
            let there = there.to_lowercase();
            let has = |line: &str| {
                line.starts_with('#') && line.trim_start_matches(['#', ' ']).replace(' ', "-") == heading
            };
            assert!(heading.is_empty() || there.lines().any(has), "docs/{guide}.md: no {link}");
        }
    }
}
