//! The lists of image policies of a plan: read and checked here, built once the colour that they fill with is known.

use crate::recipe::Node;
use serde_yaml::{Mapping, Value};
use tallow_models::config::Config;
use tallow_policy::{ImagePolicies, Registry};

/// `images` or `evaluation`: a list of image policies whose result has the model's input size.
/// Without a model no size is expected.
pub fn images(root: &Node, key: &str, registry: &Registry, input: Option<u32>) -> Option<ImagePolicies> {
    let node = root.required(key, "[ { random_resized_crop: {} } ]")?;
    let side = input.unwrap_or(224);
    let policies = match ImagePolicies::parse(node.value(), registry, (side, side)) {
        Ok(policies) => policies,
        Err(mistakes) => {
            node.adopt(mistakes);
            return None;
        }
    };
    if let (Some(input), Some((width, height))) = (input, policies.output_size())
        && (width, height) != (input, input)
    {
        node.mistake(format!(
            "ends with images of {width} by {height} pixels, expected the model's {input} by {input}; \
             change the last size, or model.input"
        ));
    }
    if let Some(random) = policies.random().filter(|_| key == "evaluation") {
        let fixed = if random == "clahe" {
            ", or write bounds that are the same, such as clip_limit: [2, 2]"
        } else {
            ""
        };
        node.mistake(format!(
            "{random} draws random numbers, which an evaluation must not; move it to images{fixed}"
        ));
    }
    if policies.is_ramped() && key == "evaluation" {
        node.mistake(
            "a ramp or a window changes over the run, and every evaluation must be the same; write a number",
        );
    }
    Some(policies)
}

/// The evaluation of a recipe that writes none: the shorter side to ⌊input / crop⌋ and the crop's centre, or both sides to the
/// input (`squash`).
///
/// # Errors
/// What `config` says that is not known here: the key, what is expected, the remedy.
pub fn evaluation_of(config: &Config, registry: &Registry) -> Result<ImagePolicies, String> {
    let (nodes, input) = (evaluation_nodes(config)?, config.input[1] as u32);
    let policies = ImagePolicies::parse(&Value::Sequence(nodes), registry, (input, input));
    policies.map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// The same as a recipe would write it.
///
/// # Errors
/// As [`evaluation_of`].
pub fn evaluation_nodes(config: &Config) -> Result<Vec<Value>, String> {
    const REMEDY: &str = "write an `evaluation` in the recipe";
    let Config { interpolation, crop, crop_mode, .. } = config;
    let input = config.input[1] as u32;
    if !["bilinear", "bicubic", "nearest"].contains(&interpolation.as_str()) {
        return Err(format!(
            "interpolation: expected bilinear, bicubic or nearest, got {interpolation} – {REMEDY}"
        ));
    }
    if !(0.01..=1.0).contains(crop) {
        return Err(format!("crop_pct: expected a share from 0.01 to 1, got {crop} – {REMEDY}"));
    }
    let map = |key: &str, value: Value| Value::Mapping(Mapping::from_iter([(key.into(), value)]));
    let resize = |size: Value| {
        let parameters = [("size".into(), size), ("interpolation".into(), interpolation.as_str().into())];
        map("resize", Value::Mapping(Mapping::from_iter(parameters)))
    };
    match crop_mode.as_str() {
        "squash" => Ok(vec![resize(vec![input, input].into())]),
        "center" => {
            let side = (f64::from(input) / crop) as u32;
            Ok(vec![resize(side.into()), map("center_crop", input.into())])
        }
        other => Err(format!("crop_mode: expected center or squash, got {other} – {REMEDY}")),
    }
}

/// The side of a square of crops, whose number is written.
pub fn crops(node: &Node, evaluation: Option<&ImagePolicies>) -> Option<u32> {
    let count = node.count(1)?;
    let side = (count as f64).sqrt().round() as u32;
    if side as usize * side as usize != count || side > 32 {
        node.mistake(format!("expected a square number up to 1024, such as 9 or 16, got {count}"));
        return None;
    }
    if evaluation?.last_crop().is_none() {
        node.mistake(
            "stands for the center_crop that ends `evaluation`; end it with one: [ { resize: 80 }, { center_crop: 64 } ]",
        );
        return None;
    }
    Some(side)
}
