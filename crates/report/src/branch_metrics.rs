//! What each branch gave to a training step.

use serde_json::{Value, json};

/// One branch in one step.
#[derive(Clone, Debug, PartialEq)]
pub struct BranchMetrics {
    /// Its place in the recipe.
    pub branch: usize,
    /// Mean over its rows, before its weight.
    pub loss: f64,
    /// ‖∂(weight · loss)/∂θ‖ over all parameters; where several branches run, without accumulation.
    pub gradient_norm: Option<f64>,
    /// Fingerprint of the soft targets of its rows.
    pub targets: String,
    /// Every mix of the branch, in the order written.
    pub mixes: Vec<Applied>,
}

/// A mix of a branch in one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    pub policy: String,
    /// Where it happened; none where its draw, its window or another alternative kept it from happening.
    pub tap: Option<String>,
    /// Parameters that change over the run, as they were.
    pub numbers: Vec<(String, f64)>,
}

impl BranchMetrics {
    /// `{"branch":0,"loss":…,"gradient_norm":…,"targets":"…","mixes":[{"policy":"cutmix","tap":"input"}]}`; the tap of a mix
    /// that did not happen is null, and a branch without a norm has no such key. A mix with ramps has `"numbers":{"gamma":3.2}`.
    pub fn record(&self) -> Value {
        let mix = |mix: &Applied| {
            let mut record = json!({ "policy": mix.policy, "tap": mix.tap });
            if !mix.numbers.is_empty() {
                record["numbers"] =
                    mix.numbers.iter().map(|(name, number)| (name.clone(), json!(number))).collect();
            }
            record
        };
        let mixes: Vec<Value> = self.mixes.iter().map(mix).collect();
        let mut record = json!({ "branch": self.branch, "loss": self.loss });
        if let Some(norm) = self.gradient_norm {
            record["gradient_norm"] = norm.into();
        }
        record["targets"] = self.targets.as_str().into();
        record["mixes"] = mixes.into();
        record
    }

    /// `branch0/loss`, `branch0/gradient_norm`.
    pub(crate) fn scalars(&self) -> Vec<(String, f64)> {
        let norm = self.gradient_norm.map(|norm| (format!("branch{}/gradient_norm", self.branch), norm));
        [(format!("branch{}/loss", self.branch), self.loss)].into_iter().chain(norm).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_as_text() {
        let mixes = vec![
            Applied {
                policy: "cutmix".into(),
                tap: Some("input".into()),
                numbers: vec![("alpha".into(), 0.25)],
            },
            Applied { policy: "zeta_mixup".into(), tap: None, numbers: Vec::new() },
        ];
        let one =
            BranchMetrics { branch: 1, loss: 0.5, gradient_norm: Some(2.), targets: "0f".into(), mixes };
        let expected = "{\"branch\":1,\"loss\":0.5,\"gradient_norm\":2.0,\"targets\":\"0f\",\"mixes\":\
                        [{\"policy\":\"cutmix\",\"tap\":\"input\",\"numbers\":{\"alpha\":0.25}},{\"policy\":\"zeta_mixup\",\"tap\":null}]}";
        assert_eq!(one.record().to_string(), expected);
        assert_eq!(one.scalars(), [("branch1/loss".into(), 0.5), ("branch1/gradient_norm".into(), 2.)]);
        let alone = BranchMetrics { gradient_norm: None, ..one };
        assert!(!alone.record().to_string().contains("gradient_norm"));
        assert_eq!(alone.scalars().len(), 1);
    }
}
