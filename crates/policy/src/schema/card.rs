//! What a policy can be composed with, found by building its example and asking it.

use super::spec::{Built, Mistake, Parsed};
use crate::{ImagePolicy, Inputs, Mix, MixContext, Mixing, PatchSource, Spec};
use candle_core::{Device, Tensor};
use serde_yaml::{Mapping, Value};
use tallow_seed::Seed;

/// The batch on which a mix is drawn to see what it returns: rows of four classes, two of each.
const CLASSES: [u32; 8] = [0, 1, 2, 3, 0, 1, 2, 3];
const N_CLASSES: usize = 4;
const SIDE: usize = 32;

impl Spec {
    /// The node of [`Spec::example`] as YAML, and without the engine's keys: `{ name: parameters }`.
    ///
    /// # Errors
    /// An example that is no map with the policy's name.
    pub fn bare_example(&self) -> Parsed<Value> {
        let wrong = |message: String| vec![Mistake::new("example", message)];
        let value: Value = serde_yaml::from_str(self.example).map_err(|error| wrong(error.to_string()))?;
        let parameters = value.get(self.name).cloned().ok_or_else(|| {
            wrong(format!("expected a map with the key `{}`, got {}", self.name, crate::text(&value)))
        })?;
        Ok(Value::Mapping(Mapping::from_iter([(Value::from(self.name), parameters)])))
    }

    /// Where the policy may stand and what holds for it there, one sentence each: what its example, built, answers.
    ///
    /// # Errors
    /// An example that cannot be built.
    pub fn composition(&self) -> Parsed<Vec<String>> {
        let example = self.bare_example()?;
        Ok(match self.build(&example[self.name])? {
            Built::Image(policy) => self.of_images(policy.as_ref()),
            Built::Mix(mix) => self.of_rows(mix.as_ref()),
        })
    }

    fn of_images(&self, policy: &dyn ImagePolicy) -> Vec<String> {
        let place = match policy.random() {
            true => "under `images`; each image has a draw of its own; labels stay",
            false => "under `images`, and under `evaluation`, as it draws nothing; labels stay",
        };
        let inputs = [(200, 150), (96, 96)];
        let outputs = inputs.map(|size| policy.output(Some(size)));
        let size = match outputs {
            [None, _] | [_, None] => "the size depends on what the image shows".to_owned(),
            _ if outputs == inputs.map(Some) => "the size stays".to_owned(),
            [Some(one), Some(other)] if one == other => "all images leave with one size".to_owned(),
            _ => "the size follows from that of the image".to_owned(),
        };
        let own = self.has("p").then(|| "`p` beside it is its parameter `p`".to_owned());
        [place.to_owned(), size].into_iter().chain(own).collect()
    }

    fn of_rows(&self, mix: &dyn Mix) -> Vec<String> {
        let mut lines = vec![match self.spatial {
            true => "at `input` and at every tap of images or maps, (R, C, H, W)".to_owned(),
            false => "at every tap: rows of any shape".to_owned(),
        }];
        lines.push(match mix.pairs() {
            true => "each row has one partner, by the node's `pairing`".to_owned(),
            false => "chooses its own rows; of `pairing` only `within_group` applies".to_owned(),
        });
        match mix.inputs() {
            Inputs::Nothing => {}
            Inputs::Values => lines.push("looks at the values at its tap".to_owned()),
            Inputs::InputGradient => lines.push(
                "looks at the gradient of the loss by the input: the first mix of its branch, at `input`"
                    .to_owned(),
            ),
        }
        match drawn(mix) {
            Ok(Mixing::Rows(shares)) => {
                if shares.len() != CLASSES.len() {
                    lines.push(format!(
                        "the number of rows changes: {} come out of {} in {} classes",
                        shares.len(),
                        CLASSES.len(),
                        N_CLASSES
                    ));
                }
                lines.push("a linear mix: the shares are exact in every chain".to_owned());
            }
            Ok(Mixing::Masked { source, .. }) => {
                let whole =
                    if source == PatchSource::Resized { ", the whole partner resized into it" } else { "" };
                lines.push(format!(
                    "a mask{whole}: the shares are counted from its pixels, exact in a chain with no other mask, \
                     and elsewhere but for where two masks overlap"
                ));
            }
            _ => {}
        }
        lines
    }
}

/// What the mix returns for a batch of noise: the first draw that changes anything, of a few.
fn drawn(mix: &dyn Mix) -> crate::Result<Mixing> {
    let rows = CLASSES.len();
    let mut rng = Seed::new(1).fold("card", 0).rng();
    let noise: Vec<f32> = (0..rows * 3 * SIDE * SIDE).map(|_| rng.uniform_in(-1.0, 1.0) as f32).collect();
    let values = Tensor::from_vec(noise, (rows, 3, SIDE, SIDE), &Device::Cpu)?;
    let partners: Vec<u32> = (0..rows as u32).map(|row| (row + 1) % rows as u32).collect();
    let context = MixContext {
        classes: &CLASSES,
        groups: &[None; CLASSES.len()],
        n_classes: N_CLASSES,
        size: Some((SIDE, SIDE)),
        partners: &partners,
        within_group: true,
        progress: 0.5,
        values: Some(&values),
        input_gradient: Some(&values),
    };
    let mut mixing = Mixing::Keep;
    for _ in 0..32 {
        mixing = mix.draw(&context, &mut rng)?;
        if mixing != Mixing::Keep {
            break;
        }
    }
    Ok(mixing)
}

#[cfg(test)]
mod tests {
    use crate::{BUILTIN, ImageChain, Policy, Registry};

    /// What is said of a policy.
    fn said(name: &str) -> String {
        let spec = Registry::builtin().find(name).expect(name);
        spec.composition().unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}")).join("\n")
    }

    #[test]
    fn every_example_is_a_node_of_a_recipe() {
        let registry = Registry::builtin();
        for spec in BUILTIN {
            let node = spec.example;
            let mistakes = match spec.is_image() {
                true => {
                    let list = serde_yaml::from_str(&format!("[ {node} ]")).expect(node);
                    ImageChain::parse(&list, &registry, (224, 224), [0.5; 3]).err()
                }
                false => {
                    let text = format!("branches: [ {{ policies: [ {node} ] }} ]");
                    Policy::parse("example", &serde_yaml::from_str(&text).expect(node), &registry).err()
                }
            };
            assert_eq!(mistakes, None, "{node}");
            assert!(spec.composition().expect(node).len() >= 2);
        }
    }

    #[test]
    fn what_a_policy_answers_is_said() {
        for (name, word) in [
            ("cutmix", "a mask: the shares"),
            ("resizemix", "the whole partner"),
            ("gridmix", "every tap of images or maps"),
            ("zeta_mixup", "chooses its own rows"),
            ("zeta_mixup", "exact in every chain"),
            ("mixup", "one partner, by the node's `pairing`"),
            ("mixup", "rows of any shape"),
            ("intra_class", "4 come out of 8 in 4 classes"),
            ("saliencymix", "looks at the values"),
            ("hair", "the size stays"),
            ("hair", "a draw of its own"),
            ("invert", "under `evaluation`"),
            ("center_crop", "one size"),
            ("resize", "follows from"),
            ("field_of_view", "depends on"),
            ("flip", "its parameter `p`"),
        ] {
            assert!(said(name).contains(word), "{name}: {word} in\n{}", said(name));
        }
    }
}
