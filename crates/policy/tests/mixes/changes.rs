//! What changes over the run: windows that never open, weights that are ramps; and mixes in a random order.

use crate::setting::*;
use tallow_policy::{Duration, TrainingProgress};

fn mistakes(policies: &str) -> Vec<String> {
    let found = parse(&format!("branches: [ {{ policies: {policies} }} ]")).err().unwrap_or_default();
    found.iter().map(|mistake| mistake.to_string().replacen("branches[0].", "", 1)).collect()
}

#[test]
fn windows_that_never_open_are_refused() {
    for (text, expected) in [
        (
            "[ { policies: [ { mixup: {}, during: 0.6..0.7 } ], during: 0.1..0.5 } ]",
            "policies[0].policies[0].during: never opens: the node around it acts from 0.1 to 0.5; write a window inside that",
        ),
        (
            "[ { one_of: [ { one_of: [ { mixup: {}, during: [1 epochs, 2 epochs] } ] } ], during: [2 epochs, 3 epochs] } ]",
            "policies[0].one_of[0].one_of[0].during: never opens: the node around it acts from 2 epochs to 3 epochs",
        ),
    ] {
        let found = mistakes(text);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{text}: {found:?}");
    }
    // They overlap, or cannot be compared.
    assert_eq!(mistakes("[ { policies: [ { mixup: {}, during: 0.4..0.7 } ], during: 0.1..0.5 } ]"), [""; 0]);
    assert_eq!(
        mistakes("[ { policies: [ { mixup: {}, during: 0.6..0.7 } ], during: 1 steps..2 steps } ]"),
        [""; 0]
    );

    // Of a run of 10 epochs.
    let share = |duration| match duration {
        Duration::Epochs(n) => Some(n / 10.0),
        Duration::Fraction(part) => Some(part),
        _ => None,
    };
    let found = |policies: &str| {
        let policy = policy(&format!("branches: [ {{ policies: {policies} }} ]"));
        policy.check_windows(share).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(found("[ { mixup: {}, during: [9.5 epochs, 20 epochs] } ]"), [""; 0]);
    assert_eq!(
        found("[ { mixup: {}, during: [10 epochs, 20 epochs] } ]"),
        [
            "branches[0].policies[0].during: never opens: the run ends first; write a fraction of the run, such as `0.2..0.8`, or a longer \
         `length`"
        ]
    );
    assert_eq!(
        found("[ { mixup: {}, during: 3 epochs..0.2 } ]"),
        ["branches[0].policies[0].during: never opens: 3 epochs is not before 0.2; write another window"]
    );
    assert_eq!(
        found("[ { policies: [ { mixup: {}, during: 0.5..1 } ], during: 0 epochs..3 epochs } ]"),
        [
            "branches[0].policies[0].policies[0].during: never opens: the node around it acts from 0 epochs to 3 epochs; write a window \
         inside that"
        ]
    );
}

/// How often each policy of the first branch happens in 2000 steps at a point of the run of 100.
fn counts(policies: &str, step: u64) -> Vec<(String, usize)> {
    let branch = branch(policies);
    let rows = rows(&[0, 1], 2);
    let progress = TrainingProgress { step, ..PROGRESS };
    let mut counts: Vec<(String, usize)> = Vec::new();
    for draw in 0..2000 {
        let mut pass = branch.begin(&rows, seed(draw), progress);
        pass.at("input", noise("values", &[2, 3, 4, 4])).unwrap();
        let happened =
            pass.record().iter().map(|applied| applied.policy.as_str()).collect::<Vec<_>>().join(" ");
        match counts.iter_mut().find(|(name, _)| *name == happened) {
            Some((_, n)) => *n += 1,
            None => counts.push((happened, 1)),
        }
    }
    counts.sort();
    counts
}

#[test]
fn weights_change_over_the_run() {
    let text = "[ { one_of: [ { mixup: {}, weight: { from: 1, to: 0 } }, { cutmix: {}, weight: { from: 0, to: 3 } } ] } ]";
    assert_eq!(counts(text, 0), [("mixup".to_owned(), 2000)]);
    assert_eq!(counts(text, 100), [("cutmix".to_owned(), 2000)]);
    // Half way 0.5 and 1.5: a quarter, ± 5 standard deviations of √(2000 · 3/16) = 19.4.
    let [(_, cutmix), (_, mixup)] = &counts(text, 50)[..] else { panic!("both happen") };
    assert!((403..=597).contains(mixup) && mixup + cutmix == 2000, "{mixup}");
    // Fixed weights draw what they drew before there were ramps.
    let fixed = "[ { one_of: [ { mixup: {}, weight: 0.5 }, { cutmix: {}, weight: 1.5 } ] } ]";
    assert_eq!(counts(fixed, 50), counts(text, 50));

    let apart = "[ { one_of: [ { mixup: {}, weight: { from: 1, to: 0, over: 0..0.5 } }, { cutmix: {}, weight: { from: 0, to: 1 } } ] } ]";
    let expected = "policies[0].one_of: expected an alternative of a weight over 0 at every time; ramps of one `over` and `shape` move together";
    assert_eq!(mistakes(apart), [expected]);
}

/// All mixes happen, in each order equally often, and each draws the same numbers in any place.
#[test]
fn shuffled_mixes_happen_in_every_order() {
    let counts = counts("[ { shuffled: [ { mixup: {} }, { cutmix: {} } ] } ]", 50);
    let [(first, a), (second, b)] = &counts[..] else { panic!("{counts:?}") };
    assert_eq!((first.as_str(), second.as_str(), a + b), ("cutmix mixup", "mixup cutmix", 2000));
    assert!((889..=1111).contains(a), "1000 ± 5 · √500: {a}");
    let gradient = "[ { shuffled: [ { saliencymix: { saliency: input_gradient } }, { mixup: {} } ] } ]";
    let expected = "policies[0].shuffled[0]: `saliencymix` looks at the gradient by the unmixed input; place it before every other mix";
    assert_eq!(mistakes(gradient), [expected]);
    assert_eq!(mistakes("[ { shuffled: [ { saliencymix: { saliency: input_gradient } } ] } ]"), [""; 0]);
}
