//! Class names out of label texts.

use std::collections::BTreeSet;

use crate::{Error, Result, suggestion};

/// Class names in label order, and how to find a label by its name.
pub struct Labels {
    pub classes: Vec<String>,
}

impl Labels {
    /// `given` by the recipe, in its order; otherwise every text that occurs, numbers in their own order, then names in the
    /// order of their bytes.
    pub fn new<'a>(given: Option<Vec<String>>, found: impl IntoIterator<Item = &'a str>) -> Labels {
        let classes = given.unwrap_or_else(|| {
            let names: BTreeSet<&str> = found.into_iter().collect();
            let mut names: Vec<&str> = names.into_iter().collect();
            names.sort_by_key(|name| name.parse::<i64>().map_or((1, 0), |number| (0, number)));
            names.into_iter().map(str::to_string).collect()
        });
        Labels { classes }
    }

    /// The label called `name`; `at` is where it was read.
    pub fn find(&self, name: &str, at: impl FnOnce() -> String) -> Result<u32> {
        let label = self.classes.iter().position(|class| class == name);
        label.map(|label| label as u32).ok_or_else(|| {
            let near = suggestion(name, self.classes.iter().map(String::as_str));
            let problem = format!("no class is called `{name}`{near}");
            Error::invalid(at(), problem)
        })
    }
}
