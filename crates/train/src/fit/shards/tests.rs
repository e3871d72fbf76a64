//! One step in shards, by any number of ranks, beside the step of the whole batch.

use crate::fit::training_step;
use crate::plan::Plan;
use crate::run::{Run, Start};
use std::collections::BTreeMap;
use std::sync::Arc;
use tallow_policy::Registry;
use tallow_ranks::{Ranks, threads};
use tallow_report::Progress;

const RECIPE: &str = "
data: { name: synthetic, images: 60, size: 16, batch: 22, workers: 0 }
model: { name: resnet20, input: 16 }
evaluation: [ { resize: [16, 16] } ]
optimizer: { sgd: { momentum: 0.9 } }
length: 2 epochs
seed: 1
";

/// Numbers by name: gradients, running statistics, losses, targets, norms.
type Found = BTreeMap<String, Vec<f32>>;

/// The last step of an epoch of this recipe, on which a partial batch falls, and what it left.
fn step(more: &str, ranks: Arc<dyn Ranks>) -> Found {
    let plan = Plan::parse("sharded", &format!("{RECIPE}{more}"), &Registry::builtin()).unwrap();
    let run = Run::build_among(plan, Start::Recipe, &Progress::hidden(), ranks).unwrap();
    let batches = run.batches().unwrap();
    let mut found = Found::new();
    for (at, batch) in batches.load(&run.model.transforms, 0, 0..3).unwrap().enumerate() {
        let step = training_step(&run, &batch.unwrap()).unwrap();
        found.insert(format!("{at}.loss"), vec![step.loss as f32]);
        for (name, gradient) in &step.gradients {
            found.insert(format!("{at}.{name}"), gradient.flatten_all().unwrap().to_vec1().unwrap());
        }
        for branch in step.branches {
            let targets = branch.targets.iter().map(|target| *target as f32).collect();
            found.insert(format!("{at}.{}.targets", branch.branch), targets);
            let numbers = [branch.loss, branch.gradient_norm.unwrap_or(0.0)].map(|number| number as f32);
            found.insert(format!("{at}.{}.numbers", branch.branch), numbers.into());
        }
    }
    for (name, tensor) in run.model.params.tensors().unwrap() {
        let values = tensor.flatten_all().unwrap().to_dtype(candle_core::DType::F32).unwrap();
        found.insert(name, values.to_vec1().unwrap());
    }
    found
}

/// Of every rank.
fn among(more: &str, ranks: usize) -> Vec<Found> {
    std::thread::scope(|scope| {
        let spawn = |rank| scope.spawn(move || step(more, Arc::new(rank)));
        let threads: Vec<_> = threads(ranks).into_iter().map(spawn).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn same_for_any_number_of_ranks(more: &str) -> Found {
    let more = &format!("{more}\nshards: 4");
    let one = among(more, 1).remove(0);
    for ranks in 2..=4 {
        for (rank, found) in among(more, ranks).into_iter().enumerate() {
            let differs: Vec<_> = one.keys().filter(|name| one[*name] != found[*name]).collect();
            assert!(differs.is_empty() && found.len() == one.len(), "rank {rank} of {ranks}: {differs:?}");
        }
    }
    one
}

/// What the whole batch gives, but for rounding. That flips a ReLU in some step, which shows by a thousandth; what is wired wrongly shows in
/// every step by more.
fn close(sharded: &Found, whole: &Found) {
    assert_eq!(sharded.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>());
    let (targets, computed): (Vec<&String>, Vec<&String>) =
        whole.keys().partition(|name| name.ends_with(".targets"));
    assert!(targets.iter().all(|name| sharded[*name] == whole[*name]), "targets differ");
    let squares = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| f64::from(x).powi(2)).sum::<f64>();
    let apart = |is_part: &dyn Fn(&str) -> bool| {
        let names = || computed.iter().filter(|name| is_part(name));
        assert!(names().count() > 30);
        let pairs = names().flat_map(|name| sharded[*name].iter().zip(&whole[*name]));
        let difference = squares(&mut pairs.map(|(a, b)| a - b));
        (difference / squares(&mut names().flat_map(|name| whole[*name].iter().copied()))).sqrt()
    };
    let steps = ["0.", "1.", "2."].map(|step| apart(&|name| name.starts_with(step)));
    assert!(steps.iter().all(|apart| *apart < 5e-3) && steps.iter().any(|apart| *apart < 1e-5), "{steps:?}");
    let kept = apart(&|name| name.contains("running"));
    assert!(kept < 1e-5, "running statistics: {kept}");
}

fn as_the_whole(recipe: &str) {
    close(&same_for_any_number_of_ranks(recipe), &step(recipe, Arc::new(tallow_ranks::Alone)));
}

#[test]
fn a_step_in_shards_is_the_step_of_the_batch() {
    as_the_whole("branches: [ { policies: [ cutmix: {}, zeta_mixup: {} ] } ]\nloss: { smoothing: 0.1 }");
}

#[test]
fn mixes_inside_the_network_see_the_whole_batch() {
    for whole in [
        "branches: [ { policies: [ { at: [stage1], mixup: {} } ] }, { weight: 0.5, view: clean, policies: [] } ]",
        "policy: synermix_manifold",
    ] {
        as_the_whole(whole);
    }
}

#[test]
fn micro_batches_are_cut_into_shards_too() {
    // Batch norm sees micro-batches, as without shards.
    as_the_whole("branches: [ { policies: [ mixup: {} ] } ]\naccumulate: 2");
}

#[test]
fn what_looks_at_the_network_does_so_in_shards() {
    let whole = "policy: saliencymix_gradient";
    same_for_any_number_of_ranks(whole);
}

/// Mixed by itself a shard gives the same wherever it is, and something else than the batch.
#[test]
fn shards_can_be_mixed_by_themselves() {
    for whole in [
        "policy: cutmix_zeta_mixup",
        "branches: [ { policies: [ { at: [stage1], mixup: {} } ] }, { weight: 0.5, policies: [ cutmix: {} ] } ]",
        "branches: [ { policies: [ mixup: {} ] } ]\naccumulate: 2",
        "policy: saliencymix_gradient",
        "policy: synermix_manifold",
    ] {
        let shards = same_for_any_number_of_ranks(&format!("{whole}\nmix_within: shard"));
        let batch = same_for_any_number_of_ranks(whole);
        assert!(
            shards.iter().any(|(name, of_shards)| name.ends_with(".targets") && *of_shards != batch[name])
        );
    }
}

#[test]
fn batch_norm_can_see_shards_alone() {
    let recipe = "policy: cutmix_zeta_mixup\nsync_batch_norm: false";
    let found = same_for_any_number_of_ranks(recipe);
    let synced = same_for_any_number_of_ranks("policy: cutmix_zeta_mixup");
    let name = "bn1.running_mean";
    assert!(found[name] != synced[name] && found["0.0.targets"] == synced["0.0.targets"]);
}

#[test]
fn what_shards_on_gpus_cannot_do_is_told() {
    let said = |more: &str, ranks: usize| {
        let plan =
            Plan::parse("sharded", &format!("{RECIPE}shards: 2\n{more}"), &Registry::builtin()).unwrap();
        plan.check_apart(ranks).map_err(|error| error.to_string())
    };
    let apart = "sync_batch_norm: false\nmix_within: shard\n";
    for (more, ranks, expected) in [
        ("", 1, "shards: on GPUs each rank walks one shard, got 2 for 1"),
        ("", 2, "write sync_batch_norm: false"),
        ("sync_batch_norm: false\npolicy: mixup", 2, "write mix_within: shard"),
        (&format!("{apart}policy: saliencymix_gradient"), 2, "`saliencymix` looks at the rows of all shards"),
    ] {
        let error = said(more, ranks).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(said("sync_batch_norm: false", 2), Ok(()));
    assert_eq!(said(&format!("{apart}policy: cutmix_zeta_mixup"), 2), Ok(()));
}
