//! Lists of image policies over the run: windows, sequences, ramps that move together, and the mean that is known last.

use crate::chain::{chain, parse, run};
use crate::noise;
use std::sync::Arc;
use tallow_data::Image;
use tallow_policy::{Duration, ImagePolicies, Registry, TrainingProgress};
use tallow_seed::Seed;

/// A window opens and closes at the first step of an epoch, and outside of it nothing is drawn.
#[test]
fn windows_open_and_close() {
    let image = noise(6, 5, 1);
    let windowed = Arc::new(chain("[{invert: {}, during: [2 epochs, 4 epochs]}, {gaussian_noise: {}}]"));
    assert!(windowed.is_ramped());
    let with = |step: u64| {
        let progress = TrainingProgress { step, steps: 100, batches_per_epoch: 10, batch: 4 };
        windowed.at(&progress).unwrap().run(image.clone(), Seed::new(7)).unwrap()
    };
    let open = chain("[{invert: {}}, {gaussian_noise: {}}]").run(image.clone(), Seed::new(7)).unwrap();
    let closed = chain("[{policies: []}, {gaussian_noise: {}}]").run(image.clone(), Seed::new(7)).unwrap();
    assert_eq!(
        [0, 10, 20, 30, 40, 90].map(|step| with(step) == open),
        [false, false, true, true, false, false]
    );
    assert!([0, 10, 40, 90].into_iter().all(|step| with(step) == closed));
    // Before a point of the run is asked for, it is the start.
    assert_eq!(windowed.run(image.clone(), Seed::new(7)).unwrap(), closed);
}

#[test]
fn a_sequence_is_one_node() {
    let image = noise(6, 5, 3);
    let all = run("[{policies: [{invert: {}}, {solarize: 100}], p: 0.5}]", &image, 0);
    let both = run("[{invert: {}}, {solarize: 100}]", &image, 0);
    let sequence = chain("[{policies: [{invert: {}}, {solarize: 100}], p: 0.5}]");
    let made: Vec<Image> =
        (0..40).map(|seed| sequence.run(image.clone(), Seed::new(seed)).unwrap()).collect();
    assert!(made.iter().all(|made| *made == image || *made == both) && made.contains(&all));
    assert!(made.contains(&image) && made.contains(&both));
    assert_eq!(sequence.random(), Some("policies"));
    assert_eq!(chain("[policies: [resize: [4, 4], invert: {}]]").output_size(), Some((4, 4)));
    assert_eq!(chain("[policies: [{invert: {}}]]").random(), None);
}

#[test]
fn windows_that_never_open_are_refused() {
    for (yaml, expected) in [
        (
            "[{policies: [{invert: {}, during: 0.5..0.7}], during: 0..0.5}]",
            "[0].policies[0].during: never opens: the node around it acts from 0 to 0.5; write a window inside that",
        ),
        (
            "[{invert: {}, during: [1.2 epochs, 1.8 epochs]}]",
            "[0].during: never opens: no epoch begins in it, and images are read ahead of the steps; write whole epochs",
        ),
        (
            "[{resize: [8, 8], during: 0..0.5}]",
            "a ramp or a window changes the size of the images that leave",
        ),
        ("[{invert: {}, during: later}]", "[0].during: expected a window of the run such as"),
    ] {
        let Err(mistakes) = parse(yaml) else { panic!("{yaml} is accepted") };
        let got = mistakes[0].to_string();
        assert!(
            got.starts_with(expected) && mistakes.len() == 1,
            "{yaml}\n     got {got}\nexpected {expected}"
        );
    }
    // Of a run of 3 epochs.
    let share = |duration| match duration {
        Duration::Epochs(n) => Some(n / 3.0),
        Duration::Fraction(part) => Some(part),
        _ => None,
    };
    let found =
        |yaml: &str| chain(yaml).check_windows(share).iter().map(|m| m.to_string()).collect::<Vec<_>>();
    assert_eq!(
        found("[{invert: {}, during: [2 epochs, 9 epochs]}, {invert: {}, during: [9 steps, 10 steps]}]"),
        [""; 0]
    );
    for (yaml, expected) in [
        ("[{invert: {}, during: [3 epochs, 4 epochs]}]", "[0].during: never opens: the run ends first"),
        ("[{invert: {}, during: 0.4..0.6}]", "[0].during: never opens: no epoch begins in it"),
        (
            "[{policies: [{invert: {}, during: [2 epochs, 3 epochs]}], during: 0..0.5}]",
            "[0].policies[0].during: never opens: the node around it acts from 0 to 0.5",
        ),
    ] {
        let found = found(yaml);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{yaml}: {found:?}");
    }
}

/// What fills with the model's mean has that of the model, at every point of the run; a colour that is written stays.
#[test]
fn a_list_is_built_for_a_mean() {
    let read = |yaml: &str| {
        let value = serde_yaml::from_str(yaml).unwrap();
        ImagePolicies::parse(&value, &Registry::builtin(), (8, 8)).unwrap()
    };
    let progress = TrainingProgress { step: 5, steps: 10, batches_per_epoch: 1, batch: 4 };
    let image = noise(8, 8, 1);
    for (yaml, follows) in [
        ("[random_erasing: {p: 1}]", true),
        ("[random_erasing: {p: 1, scale: [0.2, {from: 0.3, to: 0.5}]}]", true),
        ("[random_erasing: {p: 1, fill: 3}]", false),
        ("[randaugment: {operations: timm, num_ops: 6}]", true),
        ("[randaugment: {operations: timm, num_ops: 6, fill: 3}]", false),
        ("[randaugment: {num_ops: 6}]", false),
    ] {
        let policies = read(yaml);
        let made = |mean: f64, at_progress: bool| {
            let chain = Arc::new(policies.build([mean; 3]));
            let chain = if at_progress { chain.at(&progress).unwrap() } else { chain };
            (0..8).map(|seed| chain.run(image.clone(), Seed::new(seed)).unwrap()).collect::<Vec<_>>()
        };
        for at_progress in [false, true] {
            assert_eq!(made(0.1, at_progress) != made(0.9, at_progress), follows, "{yaml}");
        }
    }
}

/// Ramps of one window and one shape are at their starts, at their ends, or between; others at any combination.
#[test]
fn ramps_that_move_together_are_tried_together() {
    let rotate = |low: &str, high: &str| {
        format!("[rotate: {{degrees: [{{from: 0, to: 20{low}}}, {{from: 10, to: 30{high}}}]}}]")
    };
    assert!(parse(&rotate("", "")).is_ok());
    assert!(parse(&rotate(", over: 0..0.5", ", over: 0..0.5")).is_ok());
    let expected = "[0].rotate.degrees: expected degrees: a number from 0, or [low, high] from -360 to 360, got [20, 10] where \
                    degrees[0] is 20 and degrees[1] is 10; ramps of one `over` and `shape` move together";
    for apart in [rotate(", over: 0..0.5", ""), rotate(", shape: cosine", "")] {
        let Err(mistakes) = parse(&apart) else { panic!("{apart} is accepted") };
        assert_eq!(mistakes.iter().map(|m| m.to_string()).collect::<Vec<_>>(), [expected]);
    }
    // Weights that change places are never 0 at once; of two windows they may be.
    let weights = |over: &str| {
        format!(
            "[one_of: [{{invert: {{}}, weight: {{from: 1, to: 0}}}}, {{flip: {{}}, weight: {{from: 0, to: 1{over}}}}}]]"
        )
    };
    assert!(parse(&weights("")).is_ok());
    let Err(mistakes) = parse(&weights(", over: 0.5..1")) else { panic!("accepted") };
    assert!(
        mistakes[0]
            .to_string()
            .starts_with("[0].one_of: expected an alternative of a weight over 0 at every time")
    );
}
