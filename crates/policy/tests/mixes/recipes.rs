//! `branches:` as it is written: what is read, and every mistake with its place and remedy.

use crate::setting::*;
use tallow_policy::{Action, Curve, Duration, Order, Ramp, View, Window};

#[test]
fn everything_that_can_be_written() {
    let policy = policy(
        "branches:
  - { view: clean, weight: 0.1, policies: [ { intra_class: {}, at: penultimate } ] }
  - weight: 0.9
    policies:
      - { mixup: , at: [ input, stage1 ], p: 0.5, during: 0.1..0.9, pairing: roll }
      - p: 0.25
        at: stage2
        pairing: { within_group: false }
        one_of:
          - { weight: 2, zeta_mixup: { gamma: 2.4, samples: 4 } }
          - { policies: [ { mixup: { per_sample: true }, at: stage1, pairing: flip }, { cutmix: {} } ] }
",
    );
    let [clean, augmented] = policy.branches.as_slice() else { panic!("two branches") };
    assert_eq!(
        (clean.view, clean.weight, augmented.view, augmented.weight),
        (View::Clean, 0.1, View::Augmented, 0.9)
    );
    let first = &augmented.nodes[0];
    assert_eq!(first.p, Some(Ramp::fixed(0.5)));
    assert_eq!(first.during, Window { start: Duration::Fraction(0.1), end: Duration::Fraction(0.9) });
    let Action::OneOf(choices) = &augmented.nodes[1].action else { panic!("a choice") };
    let fixed = Ramp::fixed;
    assert_eq!(augmented.nodes[1].p, Some(fixed(0.25)));
    assert_eq!((choices[0].weight, choices[1].weight), (fixed(2.0), fixed(1.0)));
    // `at` and `pairing` of a group hold for what is inside, until it says otherwise.
    let seen: Vec<_> = augmented
        .mixes()
        .iter()
        .map(|(node, mix)| (node.path.clone(), mix.at.join(","), mix.pairing.order, mix.pairing.within_group))
        .collect();
    let place = |rest: &str| format!("branches[1].policies[{rest}");
    let expected = [
        (place("0]"), "input,stage1", Order::Roll, true),
        (place("1].one_of[0]"), "stage2", Order::Permutation, false),
        (place("1].one_of[1].policies[0]"), "stage1", Order::Flip, false),
        (place("1].one_of[1].policies[1]"), "stage2", Order::Permutation, false),
    ];
    assert_eq!(seen, expected.map(|(path, at, order, within)| (path, at.to_owned(), order, within)));

    let taps: Vec<String> = policy.taps().into_iter().map(|mention| mention.tap).collect();
    assert_eq!(taps, ["penultimate", "input", "stage1", "stage2", "stage1", "stage2"]);
    assert_eq!(policy.later_taps().len(), 5);
    assert_eq!(policy.later_taps()[0].path, "branches[0].policies[0]");
    let unknown = policy.check_taps("tiny", &["input", "stage1", "stage3", "penultimate"]);
    assert_eq!(unknown.len(), 2);
    assert_eq!(unknown[0].path, "branches[1].policies[1].one_of[0].at");
    let message =
        "tap `stage2` is not in tiny; did you mean `stage1`? taps: input, stage1, stage3, penultimate";
    assert_eq!(unknown[0].message, message);
}

/// The mistakes of `policies: TEXT`, as `path: message`, without `branches[0].`.
fn mistakes(policies: &str) -> Vec<String> {
    let found = parse(&format!("branches: [ {{ policies: {policies} }} ]")).err().unwrap_or_default();
    found.iter().map(|mistake| mistake.to_string().replacen("branches[0].", "", 1)).collect()
}

#[test]
fn one_mistake_at_a_time() {
    let cases = [
        (
            "[ { mixup: { alpha: -0.2 } } ]",
            "policies[0].mixup.alpha: expected a number from 0.001 to 1000, got -0.2",
        ),
        (
            "[ { mixup: { alpha: 0 } } ]",
            "policies[0].mixup.alpha: expected a number from 0.001 to 1000, got 0",
        ),
        (
            "[ { mixup: { alpha: .nan } } ]",
            "policies[0].mixup.alpha: expected a number from 0.001 to 1000, got .nan",
        ),
        (
            "[ { cutmix: { alpha: big } } ]",
            "policies[0].cutmix.alpha: expected a number from 0.001 to 1000, got big",
        ),
        (
            "[ { mixup: { per_sample: 3 } } ]",
            "policies[0].mixup.per_sample: expected a boolean, got integer `3`",
        ),
        (
            "[ { mixup: { alhpa: 1 } } ]",
            "policies[0].mixup.alhpa: unknown key `alhpa`; did you mean `alpha`? known: alpha, per_sample",
        ),
        (
            "[ { intra_class: { alpha: 1 } } ]",
            "policies[0].intra_class.alpha: unknown key `alpha`; there are no parameters",
        ),
        ("[ { mixup: 0.2 } ]", "policies[0].mixup: expected a mapping of alpha, per_sample, got 0.2"),
        (
            "[ { zeta_mixup: { gamma: -1 } } ]",
            "policies[0].zeta_mixup.gamma: expected a number from 0 to 100, got -1",
        ),
        (
            "[ { zeta_mixup: { samples: 1 } } ]",
            "policies[0].zeta_mixup.samples: expected `all` or a whole number from 2 to 65536, got 1",
        ),
        (
            "[ { mixupp: {} } ]",
            "policies[0].mixupp: unknown policy `mixupp`; did you mean `mixup`? known: those of `tallow list policies`",
        ),
        (
            "[ { mixup: {}, prob: 1 } ]",
            "policies[0].prob: unknown key `prob`; did you mean `p`? known: at, p, during, pairing, one_of, policies, shuffled, weight",
        ),
        (
            "[ { mixup: {}, cutmix: {} } ]",
            "policies[0]: expected one policy, got mixup and cutmix; write a list item for each",
        ),
        (
            "[ { p: 0.5 } ]",
            "policies[0]: expected a policy such as `mixup: {}`, `one_of`, `policies` or `shuffled`",
        ),
        ("[ mixup ]", "policies[0]: expected a policy such as `mixup: {}`, got mixup"),
        ("{ mixup: {} }", "policies: expected a list of policies such as `[ { mixup: {} } ]`, got a mapping"),
        ("[ { mixup: {}, p: 1.5 } ]", "policies[0].p: expected a number from 0 to 1, got 1.5"),
        (
            "[ { mixup: {}, p: { from: 0, to: 2 } } ]",
            "policies[0].p.to: expected a number from 0 to 1, got 2",
        ),
        ("[ { mixup: {}, p: { from: 0 } } ]", "policies[0].p: missing key `to`"),
        (
            "[ { zeta_mixup: { gamma: { from: 4, to: -1 } } } ]",
            "policies[0].zeta_mixup.gamma.to: expected a number from 0 to 100, got -1",
        ),
        (
            "[ { mixup: { alpha: { from: 1, to: 2, over: 0.5 } } } ]",
            "policies[0].mixup.alpha.over: expected a window of the run such as `0.2..0.8` or `[10 epochs, 20 epochs]`, got 0.5",
        ),
        (
            "[ { mixup: {}, weight: 0.5 } ]",
            "policies[0].weight: belongs to an alternative of `one_of`, or to a branch; for a chance, write `p`",
        ),
        ("[ { mixup: {}, view: clean } ]", "policies[0].view: belongs to a branch, beside its `policies`"),
        ("[ { mixup: {}, at: 3 } ]", "policies[0].at: expected the name of a tap or a list of them, got 3"),
        ("[ { mixup: {}, at: [] } ]", "policies[0].at: expected one tap or more, got none"),
        (
            "[ { mixup: {}, at: [ input, input ] } ]",
            "policies[0].at: expected different taps, got `input` twice",
        ),
        (
            "[ { mixup: {}, during: 0.8..0.2 } ]",
            "policies[0].during: expected a start before the end, got 0.8 to 0.2",
        ),
        (
            "[ { mixup: {}, during: soon } ]",
            "policies[0].during: expected a window of the run such as `0.2..0.8` or `[10 epochs, 20 epochs]`, got soon",
        ),
        (
            "[ { mixup: {}, pairing: random } ]",
            "policies[0].pairing: expected `permutation`, `derangement`, `flip` or `roll`, got random",
        ),
        (
            "[ { mixup: {}, pairing: { within_groups: false } } ]",
            "policies[0].pairing.within_groups: unknown key `within_groups`; did you mean `within_group`? known: order, within_group",
        ),
        (
            "[ { zeta_mixup: {}, pairing: flip } ]",
            "policies[0].pairing: `zeta_mixup` chooses its own rows; of `pairing` only `within_group` applies to it",
        ),
        (
            "[ { cutmix: {}, at: [ input, penultimate ] } ]",
            "policies[0].at: `cutmix` needs images or maps, and `penultimate` has features; choose an earlier tap",
        ),
        (
            "[ { flip: {} } ]",
            "policies[0].flip: `flip` changes one image: it belongs in the recipe's list `images`",
        ),
        (
            "[ { one_of: [ { weight: 0, mixup: {} } ] } ]",
            "policies[0].one_of: expected an alternative of a weight over 0",
        ),
        ("[ { one_of: [] } ]", "policies[0].one_of: expected an alternative of a weight over 0"),
        (
            "[ { one_of: [ { weight: -1, mixup: {} }, { cutmix: {} } ] } ]",
            "policies[0].one_of[0].weight: expected a number from 0 to 1000000, got -1",
        ),
        ("[ { fixed: {} } ]", "policies[0].fixed: missing key `shares`"),
        (
            "[ { resizemix: { scale: [0.8, 0.1] } } ]",
            "policies[0].resizemix.scale: expected [low, high] from 0.001 to 1, got [0.8, 0.1]",
        ),
        (
            "[ { smoothmix: { sigma: 0.5 } } ]",
            "policies[0].smoothmix.sigma: expected [low, high] from 0.01 to 100, got 0.5",
        ),
        (
            "[ { gridmix: { cells: 0 } } ]",
            "policies[0].gridmix.cells: expected a whole number from 1 to 1000, got 0",
        ),
        ("[ { fmix: { decay: -1 } } ]", "policies[0].fmix.decay: expected a number from 0 to 20, got -1"),
        (
            "[ { saliencymix: { saliency: gradient } } ]",
            "policies[0].saliencymix.saliency: expected `spectral_residual` or `input_gradient`, got gradient",
        ),
        (
            "[ { saliencymix: { saliency: input_gradient }, at: stage1 } ]",
            "policies[0].at: `saliencymix` looks at the input; it acts at `input`",
        ),
        (
            "[ { mixup: {} }, { saliencymix: { saliency: input_gradient } } ]",
            "policies[1]: `saliencymix` looks at the gradient by the unmixed input; place it before every other mix",
        ),
        (
            "[ { linear: { rows: all } } ]",
            "policies[0].linear.rows: expected `each` or `one_per_class`, got all",
        ),
        (
            "[ { linear: { partners: 0 } } ]",
            "policies[0].linear.partners: expected paired, a whole number from 1 to 65535, all, same_class, other_class, same_group or a mapping of count, among, got 0",
        ),
        (
            "[ { linear: { partners: { count: 2, amongst: all } } } ]",
            "policies[0].linear.partners: amongst: unknown key `amongst`; did you mean `among`?",
        ),
        (
            "[ { linear: { partners: 3 } } ]",
            "policies[0].linear.weights: beta weighs 2 rows; write `partners: paired` or 1",
        ),
        (
            "[ { linear: { partners: all, weights: { fixed: [0.5, 0.25, 0.25] } } } ]",
            "policies[0].linear.weights: fixed weighs 3 rows; write `partners: 2`",
        ),
        (
            "[ { linear: { partners: 2, weights: { fixed: [0.5, 0.2, 0.2] } } } ]",
            "policies[0].linear.weights: fixed: expected two numbers or more of 0 or more, the first over 0, with a sum of 1, got [0.5, 0.2, 0.2]",
        ),
        (
            "[ { linear: { weights: { beta: { alpha: 0 } } } } ]",
            "policies[0].linear.weights: beta.alpha: expected a number from 0.001 to 1000, got 0",
        ),
        (
            "[ { linear: { weights: gaussian } } ]",
            "policies[0].linear.weights: expected beta, dirichlet (both with alpha), p_series (with gamma), uniform_simplex, fixed (a list) or normalised_uniform, got gaussian",
        ),
        (
            "[ { linear: { partners: same_group, weights: uniform_simplex }, pairing: { within_group: false } } ]",
            "policies[0].pairing: `linear` mixes rows of one group here, and `within_group: false` forbids it; take out one of the two",
        ),
        (
            "[ { linear: { rows: one_per_class, partners: all, weights: uniform_simplex } } ]",
            "policies[0].linear.partners: expected same_class, or { count: K, among: same_class }: a row for each class is of its members",
        ),
        (
            "[ { linear: { rows: one_per_class, weights: uniform_simplex, own: largest } } ]",
            "policies[0].linear.own: there is no own row where one comes out for each class; leave `own` out",
        ),
        (
            "[ { linear: { partners: 2, weights: uniform_simplex }, pairing: roll } ]",
            "policies[0].pairing: `linear` chooses its own rows; of `pairing` only `within_group` applies to it",
        ),
    ];
    for (text, expected) in cases {
        let found = mistakes(text);
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{text}\nexpected {expected}\ngot      {found:#?}"
        );
    }
    assert_eq!(cases.len(), 56);
}

#[test]
fn masks_need_maps() {
    let text = "branches: [ { policies: [ { cutmix: {}, at: [ input, blocks, tokens ] }, { mixup: {}, at: blocks }, { fmix: {}, at: pooled } ] } ]";
    let shapes: [(&str, &[usize]); 4] =
        [("input", &[3, 32, 32]), ("stem", &[8, 16, 16]), ("blocks", &[197, 64]), ("pooled", &[64])];
    let found: Vec<String> =
        policy(text).check_shapes("a_vit", &shapes).iter().map(|mistake| mistake.to_string()).collect();
    assert_eq!(
        found,
        [
            "branches[0].policies[0].at: `cutmix` needs images or maps, and `blocks` of a_vit has sequences, (R, L, D); choose a tap of maps, or a linear mix",
            "branches[0].policies[2].at: `fmix` needs images or maps, and `pooled` of a_vit has features, (R, D); choose a tap of maps, or a linear mix",
        ]
    );
}

/// A ramp goes over the innermost window around it, or over its own.
#[test]
fn ramps_take_the_window_around_them() {
    let policy = policy(
        "branches: [ { policies: [
          { mixup: {}, p: { from: 0, to: 1 } },
          { mixup: {}, p: { from: 0, to: 1 }, during: 0.2..0.4 },
          { policies: [ { mixup: {}, p: { from: 0, to: 1, shape: cosine } } ], during: 0.2..0.4 },
          { mixup: {}, p: { from: 0, to: 1, over: 0..0.1 }, during: 0.2..0.4 } ] } ]",
    );
    let window = |start, end| Window { start: Duration::Fraction(start), end: Duration::Fraction(end) };
    let found: Vec<Ramp> = policy.branches[0].mixes().iter().filter_map(|(node, _)| node.p).collect();
    let ramp = |over, shape| Ramp { from: 0.0, to: 1.0, over, shape };
    let expected = [
        ramp(Window::ALWAYS, Curve::Linear),
        ramp(window(0.2, 0.4), Curve::Linear),
        ramp(window(0.2, 0.4), Curve::Cosine),
        ramp(window(0.0, 0.1), Curve::Linear),
    ];
    assert_eq!(found, expected);
}

#[test]
fn all_mistakes_at_once() {
    let text = "[ { mixup: { alpha: -1, per_sample: maybe, beta: 2 }, p: 2, at: [ 1 ] }, { one_of: [ { cutmx: {} }, { zeta_mixup: { gamma: x } } ] } ]";
    let found = mistakes(text);
    let places: Vec<&str> = found.iter().map(|text| text.split(": ").next().unwrap()).collect();
    let expected = [
        "policies[0].p",
        "policies[0].at",
        "policies[0].mixup.alpha",
        "policies[0].mixup.per_sample",
        "policies[0].mixup.beta",
        "policies[1].one_of[0].cutmx",
        "policies[1].one_of[1].zeta_mixup.gamma",
    ];
    assert_eq!(places, expected, "{found:#?}");
}

#[test]
fn mistakes_in_branches() {
    let cases = [
        ("{}", "branches: expected a list of branches, got nothing"),
        ("mixup", "expected a mapping with `branches`, got mixup"),
        ("branches: []", "branches: expected one branch or more, got none"),
        ("branches: [ 3 ]", "branches[0]: expected a branch such as"),
        ("branches: [ { weight: 0 } ]", "branches: expected a branch of a weight over 0"),
        ("branches: [ { weight: -1 } ]", "branches[0].weight: expected a number from 0 to 1000000, got -1"),
        (
            "branches: [ { view: original } ]",
            "branches[0].view: expected `augmented` or `clean`, got original",
        ),
        (
            "branches: [ { polices: [] } ]",
            "branches[0].polices: unknown key `polices`; did you mean `policies`?",
        ),
        ("{ branches: [ {} ], policies: [] }", "policies: unknown key `policies`; known: branches"),
    ];
    for (text, expected) in cases {
        let found = parse(text).err().unwrap_or_default();
        assert!(
            !found.is_empty() && found[0].to_string().starts_with(expected),
            "{text}\nexpected {expected}\ngot      {found:#?}"
        );
    }
    assert!(parse("branches: [ { weight: 0 }, {} ]").unwrap().running().count() == 1);
}
