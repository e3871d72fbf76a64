//! What a weights file and a model do not have in common.

use crate::Stem;
use std::collections::HashMap;

/// What a file lacks, has too much, or has otherwise.
#[derive(Default)]
pub(super) struct Difference {
    pub missing: Vec<String>,
    pub unexpected: Vec<String>,
    pub changed: Vec<String>,
    /// The file's stem, where that is another.
    pub stem: Option<Stem>,
    /// What the file calls the head, and what it is called here.
    pub head: Option<(String, String)>,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.changed.is_empty()
    }

    /// What kind of file this may be, from its names.
    fn guess(&self) -> Option<&'static str> {
        let all = |prefix: &str| {
            !self.unexpected.is_empty() && self.unexpected.iter().all(|line| line[2..].starts_with(prefix))
        };
        if all("module.") {
            Some("its names begin with `module.`, as DataParallel saves them; take that off")
        } else if all("resnet.") || all("classifier.") {
            Some("its names look like transformers' layout; expected torchvision's or timm's")
        } else {
            None
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        const SHOWN: usize = 10;
        const STAGES: usize = 40;
        write!(f, "the tensors do not fit the model (- missing, + unexpected, ~ different)")?;
        if let Some(guess) = self.guess() {
            write!(f, "; {guess}")?;
        }
        if let Some(stem) = self.stem {
            write!(
                f,
                "; the file's stem is another: write `stem: {}` below model (model.stem)",
                stem.name()
            )?;
        }
        if let Some((theirs, ours)) = &self.head {
            write!(
                f,
                "; the head may be `{theirs}`: write `rename: {{ {theirs}: {ours} }}` below model (model.rename)"
            )?;
        }
        let all = [&self.missing, &self.unexpected, &self.changed];
        if all.iter().map(|lines| lines.len()).sum::<usize>() <= SHOWN {
            return all.into_iter().flatten().try_for_each(|line| write!(f, "\n  {line}"));
        }
        // Of many, how many there are of each stage, and the first of it.
        for lines in all {
            let mut stages: Vec<(&str, usize, &str)> = Vec::new();
            let mut places: HashMap<&str, usize> = HashMap::new();
            for line in lines {
                let stage = stage_of(line);
                let place = *places.entry(stage).or_insert_with(|| {
                    stages.push((stage, 0, line));
                    stages.len() - 1
                });
                stages[place].1 += 1;
            }
            for (stage, count, first) in stages.iter().take(STAGES) {
                match count {
                    1 => write!(f, "\n  {first}")?,
                    _ => write!(f, "\n  {} {count} of {stage}, such as {}", &first[..1], &first[2..])?,
                }
            }
            if let Some(more) = stages.get(STAGES..).filter(|more| !more.is_empty()) {
                let count: usize = more.iter().map(|(_, count, _)| count).sum();
                write!(f, "\n  {} {count} more", &lines[0][..1])?;
            }
        }
        Ok(())
    }
}

/// `+ layer1.0.conv1.weight […]` → `layer1`.
fn stage_of(line: &str) -> &str {
    line[2..].split(['.', ' ']).next().unwrap_or_default()
}
