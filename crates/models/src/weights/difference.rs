//! What a weights file and a model do not have in common.

use crate::Stem;

/// What a file lacks, has too much, or has otherwise.
#[derive(Default)]
pub(super) struct Difference {
    pub missing: Vec<String>,
    pub unexpected: Vec<String>,
    pub changed: Vec<String>,
    /// The file's stem, where that is another.
    pub stem: Option<Stem>,
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
        const SHOWN: usize = 12;
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
        for lines in [&self.missing, &self.unexpected, &self.changed] {
            for line in lines.iter().take(SHOWN) {
                write!(f, "\n  {line}")?;
            }
            if lines.len() > SHOWN {
                write!(f, "\n  {} … and {} more", &lines[0][..1], lines.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}
