//! Patients and lesions of somebody's images, and what a recipe does about them.

use serde_yaml::{Mapping, Value};
use tallow_data::{Survey, counted};

pub struct Groups {
    /// For a person: on the terminal, and in the recipe.
    pub said: String,
    /// The recipe's `split.group`.
    pub group: Option<Value>,
    /// Whether the training images are divided anew, though there is a validation part.
    pub anew: bool,
    /// A `split` that is left to the person.
    pub proposed: Option<String>,
}

impl Groups {
    pub fn of(found: &Survey) -> Groups {
        let own = found.parts.all().find_map(|part| part.group_name().map(str::to_owned));
        let divides = found.parts.validation.is_none();
        let (what, group, flow, leak) = match (&own, &found.groups) {
            (Some(name), _) => {
                (format!("groups: {name}"), Value::from(name.as_str()), name.clone(), &found.own_leak)
            }
            (None, Some(guess)) => (
                format!(
                    "names suggest {}, such as `{}` of {}",
                    counted(guess.groups, "group"),
                    guess.example.1,
                    guess.example.0
                ),
                Value::Mapping(Mapping::from_iter([("path".into(), guess.pattern.as_str().into())])),
                format!("{{ path: '{}' }}", guess.pattern),
                &guess.leak,
            ),
            (None, None) => {
                let said = "no patient or lesion ids are to be seen: images of one patient may be on both sides of a split";
                return Groups { said: said.to_owned(), group: None, anew: false, proposed: None };
            }
        };
        let example = leak.example.as_deref().unwrap_or_default();
        let how_many = match leak.groups {
            1 => format!("one of them, `{example}`, is"),
            many => format!("{many} of them, such as `{example}`, are"),
        };
        if leak.groups == 0 {
            let said =
                format!("{what}{} they stay on one side of a split", if own.is_some() { ";" } else { ":" });
            // Groups of its own stay whole unasked.
            let group = (own.is_none() || divides).then_some(group);
            return Groups { said, group, anew: false, proposed: None };
        }
        if leak.in_test == 0 {
            let said = format!(
                "{what}, and {how_many} in training and validation: what was learned of a patient would be judged by; so the training \
                 images are divided anew by group, and the validation part that is there is not used; if these are no patients, take \
                 `split` out"
            );
            return Groups { said, group: Some(group), anew: true, proposed: None };
        }
        let leaks = format!(
            "{what}, and {how_many} in several parts, {} in the test part: what was learned of a patient would be judged by, and scores \
             flatter; move all images of each into one part",
            leak.in_test
        );
        if own.is_some() {
            let said = format!(
                "{leaks}; until then a run stops (exit code 3) and names them; without the key `group` it goes on, and the patients leak"
            );
            return Groups { said, group: None, anew: false, proposed: None };
        }
        let rule = if divides { "validation: 0.15, " } else { "" };
        Groups {
            said: format!(
                "{leaks}; with `split.group`, which is written below as a comment in the place of `split`, a run stops (exit code 3) and names them until that is done"
            ),
            group: None,
            anew: false,
            proposed: Some(format!("split: {{ {rule}group: {flow} }}")),
        }
    }
}
