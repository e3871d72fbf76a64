//! The chain: what YAML means, its mistakes, its seeds.

use crate::noise;
use std::sync::Arc;
use tallow_data::Image;
use tallow_policy::{ImageChain, Mistake, Registry, TrainingProgress};
use tallow_seed::Seed;

const MEAN: [f64; 3] = [0.485, 0.456, 0.406];

pub fn parse(yaml: &str) -> Result<ImageChain, Vec<Mistake>> {
    ImageChain::parse(&serde_yaml::from_str(yaml).unwrap(), &Registry::builtin(), (24, 16), MEAN)
}

pub fn chain(yaml: &str) -> ImageChain {
    parse(yaml).unwrap_or_else(|mistakes| panic!("{yaml}: {mistakes:?}"))
}

pub fn run(yaml: &str, image: &Image, seed: u64) -> Image {
    chain(yaml).run(image.clone(), Seed::new(seed)).unwrap()
}

#[test]
fn the_chain_of_a_recipe_ends_at_the_models_size() {
    let training =
        chain("[{random_resized_crop: {scale: [0.5, 1.0]}}, {flip: {}}, {flip: {axis: vertical}}]");
    let evaluation = chain("[{resize: 20}, {center_crop: [16, 24]}]");
    for (width, height) in [(60, 45), (45, 60), (7, 5)] {
        for chain in [&training, &evaluation] {
            let image = chain.run(noise(width, height, 1), Seed::new(3)).unwrap();
            assert_eq!(Some((image.width, image.height)), chain.output_size());
            assert_eq!(chain.output_size(), Some((24, 16)));
        }
    }
    assert_eq!((training.random(), evaluation.random()), (Some("random_resized_crop"), None));
}

#[test]
fn the_output_size_is_known_or_not() {
    for (yaml, anything, from_28) in [
        ("[]", None, Some((28, 28))),
        ("~", None, Some((28, 28))),
        ("[flip: {}]", None, Some((28, 28))),
        ("[resize: 20]", None, Some((20, 20))),
        ("[resize: {}]", Some((24, 16)), Some((24, 16))),
        ("[crop: 32]", Some((32, 32)), Some((32, 32))),
        ("[{resize: {}}, {rotate: 5}]", Some((24, 16)), Some((24, 16))),
        ("[{center_crop: 28, p: 0.5}]", None, Some((28, 28))),
        ("[{center_crop: 20, p: 0.5}]", None, None),
        ("[{center_crop: 20, p: 0}]", None, Some((28, 28))),
        ("[{center_crop: 20, p: 1}]", Some((20, 20)), Some((20, 20))),
        ("[one_of: [{center_crop: 20}, {random_resized_crop: 20}]]", Some((20, 20)), Some((20, 20))),
        ("[one_of: [{center_crop: 20}, {resize: 20}]]", None, Some((20, 20))),
        ("[one_of: [{center_crop: 20}, {center_crop: 21}]]", None, None),
        ("[shuffled: [{flip: {}}, {invert: {}}]]", None, Some((28, 28))),
        ("[shuffled: [{center_crop: 20}, {random_resized_crop: 20}]]", Some((20, 20)), Some((20, 20))),
        ("[shuffled: [{center_crop: 20}, {flip: {}}]]", None, None),
        ("[shuffled: []]", None, Some((28, 28))),
        ("[one_of: [{center_crop: 20}, {center_crop: 21, weight: 0}]]", Some((20, 20)), Some((20, 20))),
    ] {
        let chain = chain(yaml);
        assert_eq!(
            (chain.output_size(), chain.output_size_from(Some((28, 28)))),
            (anything, from_28),
            "{yaml}"
        );
    }
}

#[test]
fn defaults_come_from_the_model() {
    let image = noise(30, 20, 4);
    assert_eq!(run("[random_resized_crop: ]", &image, 1), run("[random_resized_crop: [16, 24]]", &image, 1));
    assert_eq!(run("[cutout: {}]", &image, 1), run("[cutout: 8]", &image, 1)); // half of the shorter side
    assert_eq!(
        run("[random_erasing: {p: 1}]", &image, 1),
        run("[random_erasing: {p: 1, fill: [124, 116, 104]}]", &image, 1), // 255 · mean, rounded
    );
    assert_eq!(run("[resize: {size: {height: 9, width: 5}}]", &image, 1), run("[resize: [9, 5]]", &image, 1));
}

#[test]
fn each_policy_has_a_seed_of_its_own() {
    let image = noise(40, 30, 2);
    let yaml = "[{color_jitter: {brightness: 0.5}}, {rotate: 20}, {flip: {}}]";
    assert_eq!(run(yaml, &image, 1), run(yaml, &image, 1));
    assert!((2..6).all(|seed| run(yaml, &image, seed) != run(yaml, &image, 1)));
    // A first policy that draws more numbers moves nothing after it.
    for seed in 0..8 {
        let one = run("[{color_jitter: {brightness: [1, 1]}}, {rotate: 20}, {flip: {}}]", &image, seed);
        assert_eq!(one, run("[{cutout: {holes: 7}, p: 0}, {rotate: 20}, {flip: {}}]", &image, seed));
    }
}

#[test]
fn p_is_one_draw_per_image() {
    let image = noise(9, 8, 2);
    let flipped = run("[flip: {p: 1}]", &image, 0);
    let share = |yaml: &str| {
        let chain = chain(yaml);
        (0..4000).filter(|&seed| chain.run(image.clone(), Seed::new(seed)).unwrap() == flipped).count()
    };
    assert!((890..1110).contains(&share("[{one_of: [flip: {p: 1}], p: 0.25}]"))); // 1000 ± 4 · √750
    assert!((890..1110).contains(&share("[{flip: {}, p: 0.25}]"))); // the policy's own p
    assert!((890..1110).contains(&share("[{flip: horizontal, p: 0.25}]")));
    assert!((890..1110).contains(&share("[one_of: [{flip: {p: 1}}, {flip: {p: 0}, weight: 3}]]")));
    assert_eq!(share("[{flip: {}, p: 1}]"), 4000);
    for policy in
        ["resize: 3", "center_crop: 3", "random_resized_crop: 3", "crop: 3", "flip: {}", "rotate: 90"]
    {
        assert_eq!(run(&format!("[{{ {policy}, p: 0 }}]"), &image, 1), image, "{policy}");
    }
    for policy in ["color_jitter: {hue: 0.5}", "cutout: 3", "random_erasing: {}", "one_of: [cutout: 3]"] {
        assert_eq!(run(&format!("[{{ {policy}, p: 0 }}]"), &image, 1), image, "{policy}");
    }
}

/// Every order of three policies that do not commute is equally likely, and none is left out.
#[test]
fn shuffled_applies_all_in_every_order() {
    let image = noise(6, 5, 2);
    let steps = ["{ solarize: 100 }", "{ posterize: 2 }", "{ invert: {} }"];
    let mut counts: Vec<(Image, usize)> = Vec::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let [a, b, c] = order.map(|i| steps[i]);
        let made = run(&format!("[{a}, {b}, {c}]"), &image, 0);
        assert!(counts.iter().all(|(seen, _)| *seen != made), "{order:?}");
        counts.push((made, 0));
    }
    let shuffled = chain(&format!("[{{ shuffled: [{}] }}]", steps.join(", ")));
    for seed in 0..3000 {
        let made = shuffled.run(image.clone(), Seed::new(seed)).unwrap();
        counts.iter_mut().find(|(seen, _)| *seen == made).expect("one of six orders").1 += 1;
    }
    assert!(counts.iter().all(|(_, n)| (398..=602).contains(n)), "500 ± 5 · √417");
    assert_eq!(shuffled.random(), Some("shuffled"));
    assert_eq!(run("[{shuffled: [invert: {}], p: 0}]", &image, 1), image);
    assert_eq!(run("[shuffled: []]", &image, 1), image);
}

#[test]
fn mistakes_have_a_place_and_a_remedy() {
    for (yaml, expected) in [
        ("flip", ": expected a list of policies such as `[ { flip: {} } ]`, got flip"),
        ("[flip]", "[0]: expected a policy such as `flip: {}`, got flip"),
        ("[{}]", "[0]: expected a policy such as `flip: {}`, `one_of`, `policies` or `shuffled`"),
        ("[{p: 0.5}]", "[0]: expected a policy such as `flip: {}`, `one_of`, `policies` or `shuffled`"),
        (
            "[{flip: {}, rotate: 5}]",
            "[0]: expected one policy, got flip and rotate; write a list item for each",
        ),
        ("[flop: {}]", "[0].flop: unknown image policy `flop`; did you mean `flip`?"),
        ("[5: {}]", "[0].5: unknown image policy `5`"),
        ("[mixup: {}]", "[0].mixup: `mixup` mixes the rows of a batch: move it to `policy`"),
        (
            "[{flip: {}, at: input}]",
            "[0].at: belongs to a mix, under `branches`: an image policy changes one image",
        ),
        ("[{flip: {}, p: 2}]", "[0].p: expected a number from 0 to 1, got 2"),
        ("[{flip: {p: 1}, p: 1}]", "[0].p: `flip` has a p already: keep one of the two"),
        (
            "[{flip: {}, weight: 2}]",
            "[0].weight: belongs to an alternative of `one_of`, or to a branch; for a chance, write `p`",
        ),
        (
            "[one_of: [{flip: {}, weight: 0}]]",
            "[0].one_of: expected an alternative of a weight over 0 at every time",
        ),
        (
            "[shuffled: [{flip: {}, weight: 2}]]",
            "[0].shuffled[0].weight: belongs to an alternative of `one_of`, or to a branch; for a chance, write `p`",
        ),
        ("[shuffled: {flip: {}}]", "[0].shuffled: expected a list of policies"),
        ("[jpeg: 0]", "[0].jpeg: expected a whole number from 1 to 100, or [low, high] of such, got 0"),
        (
            "[random_erasing: {mode: random}]",
            "[0].random_erasing.mode: expected `const`, `rand` or `pixel`, got random",
        ),
        ("[one_of: []]", "[0].one_of: expected an alternative of a weight over 0 at every time"),
        (
            "[one_of: [{flip: {}}, {rotate: -1}]]",
            "[0].one_of[1].rotate: expected degrees: a number from 0, or [low, high] from -360 to 360, got -1",
        ),
        (
            "[resize: 0]",
            "[0].resize: expected pixels (a whole number from 1 to 16384) or [height, width], got 0",
        ),
        (
            "[resize: {size: [3, 4, 5]}]",
            "[0].resize.size: expected pixels (a whole number from 1 to 16384) or [height, width], got [3, 4, 5]",
        ),
        (
            "[resize: {interpolation: cubic}]",
            "[0].resize.interpolation: expected `nearest`, `bilinear` or `bicubic`, got cubic",
        ),
        (
            "[random_resized_crop: {scale: [0.5, 2]}]",
            "[0].random_resized_crop.scale: expected [low, high] from 0.001 to 1, got [0.5, 2]",
        ),
        (
            "[random_resized_crop: {ratio: [2, 1]}]",
            "[0].random_resized_crop.ratio: expected [low, high] from 0.01 to 100, got [2, 1]",
        ),
        (
            "[crop: {padding: -1}]",
            "[0].crop.padding: expected pixels: a whole number from 0 to 16384, got -1",
        ),
        ("[crop: {mode: edge}]", "[0].crop.mode: expected `zero` or `reflect`, got edge"),
        ("[flip: {axis: x}]", "[0].flip.axis: expected `horizontal` or `vertical`, got x"),
        ("[rotate: {}]", "[0].rotate: missing key `degrees`"),
        (
            "[rotate: {degrees: 5, fill: 256}]",
            "[0].rotate.fill: expected a byte (0 to 255) or [red, green, blue], got 256",
        ),
        (
            "[color_jitter: {hue: 0.6}]",
            "[0].color_jitter.hue: expected a number from 0, or [low, high] from -0.5 to 0.5, got 0.6",
        ),
        (
            "[color_jitter: {contrast: [-1, 1]}]",
            "[0].color_jitter.contrast: expected a number from 0, or [low, high] from 0 to 100, got [-1, 1]",
        ),
        (
            "[affine: {translate: 1.1}]",
            "[0].affine.translate: expected a number from 0 to 1, or [horizontal, vertical] of such, got 1.1",
        ),
        (
            "[affine: {shear: [1, 2, 3]}]",
            "[0].affine.shear: expected degrees: a number from 0, [low, high], or [low, high, low, high], from -89 to 89, got [1, 2, 3]",
        ),
        (
            "[gaussian_blur: {kernel_size: 4}]",
            "[0].gaussian_blur.kernel_size: expected an odd number from 1 to 999, got 4",
        ),
        ("[gaussian_blur: 0]", "[0].gaussian_blur: expected a number or [low, high] from 0.01 to 200, got 0"),
        ("[gaussian_noise: {mean: 2}]", "[0].gaussian_noise.mean: expected a number from -1 to 1, got 2"),
        ("[posterize: 9]", "[0].posterize: expected a whole number from 1 to 8, got 9"),
        ("[solarize: 256]", "[0].solarize: expected a byte from 0 to 255, got 256"),
        (
            "[randaugment: {magnitude: 31}]",
            "[0].randaugment.magnitude: expected a whole number below num_magnitude_bins (31), got 31",
        ),
        (
            "[randaugment: 31]",
            "[0].randaugment: expected a whole number below num_magnitude_bins (31), got 31",
        ),
        (
            "[randaugment: {operations: timm, magnitude: 11}]",
            "[0].randaugment.magnitude: expected a whole number below num_magnitude_bins (11), got 11",
        ),
        (
            "[randaugment: {operations: rand-m9}]",
            "[0].randaugment.operations: expected `torchvision`, `timm` or `timm_increasing`, got rand-m9",
        ),
        (
            "[trivialaugment: {num_magnitude_bins: 1}]",
            "[0].trivialaugment.num_magnitude_bins: expected a whole number from 2 to 1000, got 1",
        ),
        (
            "[autoaugment: cifar100]",
            "[0].autoaugment: expected `imagenet`, `cifar10` or `svhn`, got cifar100",
        ),
        ("[augmix: {severity: 11}]", "[0].augmix.severity: expected a whole number from 1 to 10, got 11"),
        (
            "[hair: [3, 2]]",
            "[0].hair: expected a whole number from 0 to 1000, or [low, high] of such, got [3, 2]",
        ),
        (
            "[center_to_border: {range: 1.5}]",
            "[0].center_to_border.range: expected a number or [low, high] from 0 to 1, got 1.5",
        ),
        ("[color_constancy: 0.5]", "[0].color_constancy: expected a number from 1 to 100, got 0.5"),
        ("[equalize: {p: 1}]", "[0].equalize.p: unknown key `p`; there are no parameters"),
        ("[cutout: {holes: 1.5}]", "[0].cutout.holes: expected a whole number from 1 to 1000, got 1.5"),
        ("[random_erasing: {p: often}]", "[0].random_erasing.p: expected a number from 0 to 1, got often"),
        (
            "[random_resized_crop: {scal: [0.5, 1]}]",
            "[0].random_resized_crop.scal: unknown key `scal`; did you mean `scale`?",
        ),
    ] {
        let Err(mistakes) = parse(yaml) else { panic!("{yaml} is accepted") };
        assert_eq!(mistakes.len(), 1, "{yaml}: {mistakes:?}");
        let got = format!("{}: {}", mistakes[0].path, mistakes[0].message);
        assert!(got.starts_with(expected), "{yaml}\n     got {got}\nexpected {expected}");
    }
}

#[test]
fn all_mistakes_are_found_at_once() {
    let yaml = "[{crop: {padding: x, size: 0, siz: 3}, p: 7}, {flip: {}}, {one_of: [{flap: {}}, {cutout: {holes: 0}}]}]";
    let Err(mistakes) = parse(yaml) else { panic!("accepted") };
    let mut paths: Vec<&str> = mistakes.iter().map(|mistake| mistake.path.as_str()).collect();
    paths.sort_unstable();
    let expected = [
        "[0].crop.padding",
        "[0].crop.siz",
        "[0].crop.size",
        "[0].p",
        "[2].one_of[0].flap",
        "[2].one_of[1].cutout.holes",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn a_broken_image_is_refused() {
    let image = Image { width: 3, height: 3, pixels: vec![0; 26] };
    let error = chain("[flip: {}]").run(image, Seed::new(0)).unwrap_err().to_string();
    assert_eq!(error, "images: expected 3 by 3 pixels of 3 bytes, got 26 bytes");
    assert!(chain("[]").run(Image { width: 0, height: 0, pixels: vec![] }, Seed::new(0)).is_err());
}

/// The chain at a point of the run is the one that is written with its numbers there.
#[test]
fn ramps_have_the_numbers_of_their_moment() {
    let written = |p: &str, degrees: &str, holes: &str, weight: &str| {
        let first = format!("{{ rotate: {{ degrees: [0, {degrees}] }}, p: {p} }}");
        let blur = format!("{{ gaussian_blur: {{}}, weight: {weight} }}");
        format!(
            "[ {first}, {{ cutout: {{ holes: {holes} }} }}, {{ one_of: [ {{ invert: {{}} }}, {blur} ] }} ]"
        )
    };
    let ramps = written(
        "{ from: 1, to: 0, over: 0.5..1 }",
        "{ from: 10, to: 30 }",
        "{ from: 1, to: 4 }",
        "{ from: 0, to: 2, shape: cosine }",
    );
    let ramped = Arc::new(chain(&ramps));
    assert!(ramped.is_ramped());
    let image = noise(20, 16, 1);
    for (step, p, degrees, holes, weight) in [
        (0, "1", "10", "1", "0"),
        (25, "1", "15", "2", "0.2928932188134524"), // 1 + ¼ · 3 = 1.75; 2 · (1 − cos π/4) / 2
        (75, "0.5", "25", "3", "1.7071067811865475"),
        (100, "0", "30", "4", "2"),
    ] {
        let at = ramped.at(&TrainingProgress { step, steps: 100, batches_per_epoch: 10, batch: 4 }).unwrap();
        let fixed = chain(&written(p, degrees, holes, weight));
        let unlike = |seed: &u64| {
            at.run(image.clone(), Seed::new(*seed)).unwrap()
                != fixed.run(image.clone(), Seed::new(*seed)).unwrap()
        };
        assert_eq!((0..40).find(unlike), None, "step {step}");
    }
    // Before a point of the run is asked for, it is the chain of the starts.
    let start = chain(&written("1", "10", "1", "0"));
    assert_eq!(ramped.run(image.clone(), Seed::new(5)).unwrap(), start.run(image, Seed::new(5)).unwrap());
    let plain = Arc::new(chain("[flip: {}]"));
    let at = plain.at(&TrainingProgress { step: 1, steps: 2, batches_per_epoch: 1, batch: 4 }).unwrap();
    assert!(Arc::ptr_eq(&plain, &at));
}

#[test]
fn ramps_that_no_policy_takes_are_refused() {
    for (yaml, expected) in [
        ("[{flip: {}, p: {from: 0, to: 2}}]", "[0].p.to: expected a number from 0 to 1, got 2"),
        ("[flip: {}, rotate: {degrees: {from: 5}}]", "[1].rotate.degrees: missing key `to`"),
        (
            "[cutout: {holes: {from: 0, to: 2}}]",
            "[0].cutout.holes.from: expected a whole number from 1 to 1000, got 0",
        ),
        (
            "[crop: {size: {from: 16, to: 20}}]",
            "a ramp or a window changes the size of the images that leave",
        ),
    ] {
        let Err(mistakes) = parse(yaml) else { panic!("{yaml} is accepted") };
        let got = mistakes[0].to_string();
        assert!(got.starts_with(expected), "{yaml}\n     got {got}\nexpected {expected}");
    }
}

#[test]
fn ordered_crops_cover_the_image() {
    let cropped = chain("[{invert: {}}, {center_crop: [2, 3]}]");
    let image = noise(8, 5, 1);
    let inverted: Vec<u8> = image.pixels.iter().map(|byte| 255 - byte).collect();
    // Along 8 pixels, crops of 3: 0, 2.5 → 2, 5; along 5, crops of 2: 0, 1.5 → 2, 3.
    let starts: Vec<(usize, usize)> = [0, 2, 3].iter().flat_map(|&y| [0, 2, 5].map(|x| (x, y))).collect();
    let crops = cropped.ordered_crops(image.clone(), 3).unwrap();
    assert_eq!(crops.len(), 9);
    for (crop, (left, top)) in crops.iter().zip(starts) {
        let rows = (top..top + 2).flat_map(|y| &inverted[(y * 8 + left) * 3..(y * 8 + left + 3) * 3]);
        assert_eq!((crop.width, crop.height, &crop.pixels), (3, 2, &rows.copied().collect()));
    }
    let middle = cropped.run(image.clone(), Seed::new(0)).unwrap();
    assert_eq!(cropped.ordered_crops(image.clone(), 1).unwrap(), [middle]);
    let refused = |chain: &ImageChain| chain.ordered_crops(image.clone(), 2).unwrap_err().to_string();
    assert!(refused(&chain("[center_crop: 6]")).contains("8 by 5"));
    assert!(refused(&chain("[{center_crop: 2}, {invert: {}}]")).contains("ends in center_crop"));
    assert_eq!((cropped.last_crop(), cropped.size_before_last(Some((8, 5)))), (Some((3, 2)), Some((8, 5))));
    assert_eq!(chain("[{center_crop: 3, p: 0.5}]").last_crop(), None);
}
