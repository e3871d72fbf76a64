//! How a policy is found by name and built from YAML.

use super::node::ENGINE_KEYS;
use crate::{ImagePolicy, Mix, ModelInput, image, mix};
use serde_yaml::Value;

/// Everything about a policy that is not its arithmetic: what reads it from YAML, and what its card says. A built-in
/// policy's only mention outside its file is in [`BUILTIN`]; one of another program is pushed onto its [`Registry`], as
/// `examples/own_policy` does.
///
/// `parameters`, `example` and `cost` are read by people and drawn by `tallow list policies --markdown`; where a policy may
/// stand is not written down but asked of the policy that the example builds ([`Spec::composition`]).
pub struct Spec {
    /// The key that names it in YAML, snake_case.
    pub name: &'static str,
    /// One line: what it does, formula first.
    pub summary: &'static str,
    /// Paper and code followed.
    pub source: &'static str,
    /// Parameters: `(name, default and range, meaning)`, the range beginning with the default as YAML has it, or `required`, and the
    /// bounds of a number as `from 0 to 1`.
    /// A short form (`{ resize: 256 }`) is of the first; `p` beside a policy that lists a `p` is that one.
    pub parameters: &'static [(&'static str, &'static str, &'static str)],
    /// One node as in a recipe, such as `{ cutmix: { alpha: 1.0 } }`: what the catalogue shows and draws.
    pub example: &'static str,
    /// What one application costs: passes over its values, products, random numbers.
    pub cost: &'static str,
    /// Whether the values must be images or maps, (R, C, H, W).
    pub spatial: bool,
    pub build: Build,
}

/// Makes the policy from its parameters, a YAML mapping (empty if none are given). An image policy takes defaults from
/// the model that its images go to.
#[derive(Clone, Copy)]
pub enum Build {
    Image(fn(&Value, &ModelInput) -> Parsed<Box<dyn ImagePolicy>>),
    Mix(fn(&Value) -> Parsed<Box<dyn Mix>>),
}

/// A policy, built.
pub enum Built {
    Image(Box<dyn ImagePolicy>),
    Mix(Box<dyn Mix>),
}

impl Spec {
    /// The policy with these parameters; an image policy as for [`ModelInput::default`] ([`crate::ImagePolicies`] knows the
    /// model). Paths of mistakes are relative to `parameters`.
    ///
    /// # Errors
    /// Every parameter that the policy does not take.
    pub fn build(&self, parameters: &Value) -> Parsed<Built> {
        match self.build {
            Build::Image(make) => make(parameters, &ModelInput::default()).map(Built::Image),
            Build::Mix(make) => make(parameters).map(Built::Mix),
        }
    }

    /// The image policy with these parameters for images of this model.
    ///
    /// # Errors
    /// A mix, and every parameter that the policy does not take.
    pub(crate) fn image(&self, parameters: &Value, model: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
        match self.build {
            Build::Image(make) => make(parameters, model),
            Build::Mix(_) => {
                let problem = format!("`{}` mixes the rows of a batch: move it to `policy`", self.name);
                Err(vec![Mistake::new("", problem)])
            }
        }
    }

    /// The mix with these parameters.
    ///
    /// # Errors
    /// An image policy, and every parameter that the mix does not take.
    pub(crate) fn mix(&self, parameters: &Value) -> Parsed<Box<dyn Mix>> {
        match self.build {
            Build::Mix(make) => make(parameters),
            Build::Image(_) => {
                let problem =
                    format!("`{}` changes one image: it belongs in the recipe's list `images`", self.name);
                Err(vec![Mistake::new("", problem)])
            }
        }
    }

    pub fn is_image(&self) -> bool {
        matches!(self.build, Build::Image(_))
    }

    /// Whether it has a parameter of this name.
    pub(crate) fn has(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|(name, ..)| *name == parameter)
    }
}

/// Every policy of this crate, in the order that `tallow list policies` prints; a test holds it and the folders `image/` and
/// `mix/` together.
pub const BUILTIN: &[&Spec] = &joined::<{ image::SPECS.len() + mix::SPECS.len() }>(image::SPECS, mix::SPECS);

const fn joined<const N: usize>(a: &[&'static Spec], b: &[&'static Spec]) -> [&'static Spec; N] {
    let mut all = [a[0]; N];
    let mut i = 0;
    while i < N {
        all[i] = if i < a.len() { a[i] } else { b[i - a.len()] };
        i += 1;
    }
    all
}

/// What was read, or every mistake in it.
pub type Parsed<T> = Result<T, Vec<Mistake>>;

/// A mistake in a recipe: its place, as a path below the node that was walked, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Such as `branches[0].policies[1].mixup.alpha`; empty for the node itself.
    pub path: String,
    /// Such as `expected a positive number, got -0.2`.
    pub message: String,
}

impl Mistake {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Mistake {
        Mistake { path: path.into(), message: message.into() }
    }

    /// The same mistake, seen from the node that holds `parent`.
    pub fn under(self, parent: &str) -> Mistake {
        Mistake { path: join(parent, &self.path), message: self.message }
    }
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// `a` and `b` as `a.b`, `a` and `[0]` as `a[0]`.
pub(crate) fn join(parent: &str, child: &str) -> String {
    let dot = if parent.is_empty() || child.is_empty() || child.starts_with('[') { "" } else { "." };
    format!("{parent}{dot}{child}")
}

/// The policies a program knows: the built-in ones and those its author pushed.
#[derive(Clone)]
pub struct Registry {
    pub policies: Vec<&'static Spec>,
}

impl Registry {
    /// Those of this crate.
    pub fn builtin() -> Registry {
        Registry { policies: BUILTIN.to_vec() }
    }

    /// Adds a policy. Panics on a name that is taken, or that no recipe could name: a bug of the program.
    pub fn push(&mut self, spec: &'static Spec) {
        let name = spec.name;
        assert!(self.find(name).is_none(), "policy `{name}` is registered twice");
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        assert!(plain, "policy `{name}`: expected a name in snake_case, such as `my_mix`");
        assert!(!ENGINE_KEYS.contains(&name), "policy `{name}`: a key of the engine; choose another name");
        self.policies.push(spec);
    }

    pub fn find(&self, name: &str) -> Option<&'static Spec> {
        self.policies.iter().copied().find(|spec| spec.name == name)
    }

    pub fn images(&self) -> impl Iterator<Item = &'static Spec> {
        self.policies.iter().copied().filter(|spec| spec.is_image())
    }

    pub fn mixes(&self) -> impl Iterator<Item = &'static Spec> {
        self.policies.iter().copied().filter(|spec| !spec.is_image())
    }
}

impl Default for Registry {
    fn default() -> Registry {
        Registry::builtin()
    }
}
