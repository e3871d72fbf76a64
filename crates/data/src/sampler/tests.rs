use std::collections::HashSet;

use super::*;

/// 60, 25, 10, 4 and 1 images of five classes, interleaved.
fn labels() -> Vec<u32> {
    let counts = [60, 25, 10, 4, 1];
    let mut labels: Vec<u32> = counts.iter().zip(0..).flat_map(|(&n, class)| vec![class; n]).collect();
    Seed::new(3).rng().shuffle(&mut labels);
    labels
}

fn epoch(sampler: &Sampler, drop_last: bool, seed: u64) -> Vec<Vec<u32>> {
    sampler.epoch(&labels(), 5, 16, drop_last, Seed::new(seed))
}

fn counts(batches: &[Vec<u32>]) -> [usize; 5] {
    let labels = labels();
    let mut counts = [0; 5];
    batches.iter().flatten().for_each(|&index| counts[labels[index as usize] as usize] += 1);
    counts
}

#[test]
fn every_image_once() {
    for sampler in [Sampler::Sequential, Sampler::Shuffled] {
        let batches = epoch(&sampler, false, 1);
        // 100 = 6 · 16 + 4.
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [16, 16, 16, 16, 16, 16, 4]);
        let seen: HashSet<u32> = batches.iter().flatten().copied().collect();
        assert_eq!(seen.len(), 100);
        assert_eq!(epoch(&sampler, true, 1), batches[..6]);
        assert_eq!(epoch(&sampler, false, 1), batches);
    }
    assert_eq!(epoch(&Sampler::Sequential, false, 1)[0], (0..16).collect::<Vec<u32>>());
    assert_ne!(epoch(&Sampler::Shuffled, false, 1), epoch(&Sampler::Shuffled, false, 2));
}

#[test]
fn balanced_gives_each_class_an_equal_share() {
    for seed in 0..20 {
        let batches = epoch(&Sampler::Balanced, false, seed);
        // 100 draws, 5 classes.
        assert_eq!(counts(&batches), [20; 5]);
        let mut times = [0; 100];
        batches.iter().flatten().for_each(|&index| times[index as usize] += 1);
        let labels = labels();
        for (index, &label) in labels.iter().enumerate() {
            // 20 of 60: none or one; 20 of 25; 20 of 10: two; of 4: five; of 1: twenty.
            let expected = [0..=1, 0..=1, 2..=2, 5..=5, 20..=20];
            assert!(expected[label as usize].contains(&times[index]));
        }
    }
    // 10 draws over 3 classes that have images: 4, 3, 3.
    let labels = [0, 0, 0, 0, 0, 0, 0, 0, 2, 3];
    let batches = Sampler::Balanced.epoch(&labels, 4, 10, false, Seed::new(1));
    let mut shares = [0; 4];
    batches[0].iter().for_each(|&index| shares[labels[index as usize] as usize] += 1);
    assert_eq!(shares[1], 0);
    shares.sort_unstable();
    assert_eq!(shares, [0, 3, 3, 4]);
}

#[test]
fn weighted_draws_in_proportion() {
    let sampler = Sampler::Weighted(vec![1.0, 2.0, 0.0, 0.0, 40.0]);
    let mut total = [0.0; 5];
    for seed in 0..200 {
        for (sum, count) in total.iter_mut().zip(counts(&epoch(&sampler, false, seed))) {
            *sum += count as f64;
        }
    }
    // Weights 60·1, 25·2, 0, 0, 1·40 of 150; 20 000 draws; standard deviation of a share below 0.0036.
    let shares = total.map(|sum| sum / 20_000.0);
    for (share, expected) in shares.iter().zip([0.4, 1.0 / 3.0, 0.0, 0.0, 4.0 / 15.0]) {
        assert!((share - expected).abs() < 0.015, "{shares:?}");
    }
    assert_eq!((shares[2], shares[3]), (0.0, 0.0));
}

#[test]
fn no_class_is_alone_in_a_batch() {
    let labels = labels();
    for seed in 0..50 {
        let plain = epoch(&Sampler::Shuffled, false, seed);
        let batches = epoch(&Sampler::NoSingletons, false, seed);
        assert_eq!(batches.len(), plain.len());
        for (batch, plain) in batches.iter().zip(&plain) {
            assert_eq!(batch[..plain.len()], plain[..], "the shuffled batch, then what was added");
            let unique: HashSet<u32> = batch.iter().copied().collect();
            assert_eq!(unique.len(), batch.len());
            for class in 0..5 {
                let of = |batch: &[u32]| batch.iter().filter(|&&i| labels[i as usize] == class).count();
                match of(plain) {
                    // Class 4 has one image in all.
                    1 if class == 4 => assert_eq!(of(batch), 1),
                    1 => assert_eq!(of(batch), 2),
                    n => assert_eq!(of(batch), n),
                }
            }
        }
        assert_eq!(epoch(&Sampler::NoSingletons, true, seed), batches[..6]);
    }
}

#[test]
fn the_partner_of_a_singleton_is_any_other_image_of_its_class() {
    // One batch of 2: image 0 of class 0 and one of class 1, five times; the partner of class 0 is 1, 2 or 3.
    let labels = [0, 0, 0, 0, 1];
    let mut times = [0.0; 4];
    for seed in 0..3000 {
        for batch in Sampler::NoSingletons.epoch(&labels, 2, 2, false, Seed::new(seed)) {
            if batch.len() == 3 && batch[..2].contains(&0) {
                times[batch[2] as usize] += 1.0;
            }
        }
    }
    let total: f64 = times.iter().sum();
    assert_eq!(times[0], 0.0);
    assert!(total > 500.0);
    times[1..].iter().for_each(|count| assert!((count / total - 1.0 / 3.0).abs() < 0.08, "{times:?}"));
}

#[test]
fn few_images_and_none() {
    assert_eq!(Sampler::Shuffled.epoch(&[], 3, 4, false, Seed::new(1)), Vec::<Vec<u32>>::new());
    assert_eq!(Sampler::NoSingletons.epoch(&[2], 3, 4, false, Seed::new(1)), [[0]]);
    assert_eq!(Sampler::Shuffled.epoch(&[2], 3, 4, true, Seed::new(1)), Vec::<Vec<u32>>::new());
}

#[test]
fn an_epoch_without_batches_is_found_before_the_run() {
    let check = |sampler: Sampler, batch, drop_last| sampler.check(&[0, 0, 2], batch, drop_last);
    assert!(check(Sampler::Weighted(vec![0.0, 0.0, 1.0]), 2, true).is_ok());
    assert_eq!(
        check(Sampler::Weighted(vec![0.0, 1.0, 0.0]), 2, true).unwrap_err().to_string(),
        "data.sampler.weighted: expected a weight above 0 for some class that has training images, got none"
    );
    assert!(check(Sampler::Shuffled, 4, false).is_ok());
    assert_eq!(
        check(Sampler::Shuffled, 4, true).unwrap_err().to_string(),
        "data.batch: 3 training images make no batch of 4; lower data.batch, or write drop_last: false"
    );
}

#[test]
fn reads_a_recipe() {
    let classes: Vec<String> = ["MEL", "NV"].map(String::from).to_vec();
    let parse = |yaml: &str| Sampler::parse(&serde_yaml::from_str(yaml).unwrap(), &classes);
    assert_eq!(parse("no_singletons").unwrap(), Sampler::NoSingletons);
    assert_eq!(parse("{ weighted: { MEL: 3 } }").unwrap(), Sampler::Weighted(vec![3.0, 1.0]));
    assert_eq!(parse("{ weighted: [0, 2.5] }").unwrap(), Sampler::Weighted(vec![0.0, 2.5]));
    let message = |yaml: &str| parse(yaml).unwrap_err().to_string();
    assert_eq!(
        message("balance"),
        "data.sampler: no sampler is called `balance`; did you mean `balanced`? known: shuffled, sequential, balanced, \
         weighted, no_singletons"
    );
    assert_eq!(
        message("{ weighted: { MLE: 3 } }"),
        "data.sampler.weighted.MLE: no such class; did you mean `MEL`? known: MEL, NV"
    );
    assert_eq!(
        message("{ weighted: { MEL: -3 } }"),
        "data.sampler.weighted.MEL: expected a weight, 0 or more, got -3"
    );
    assert_eq!(
        message("{ weighted: [0, 0] }"),
        "data.sampler.weighted: expected some weight above 0, got none"
    );
    assert_eq!(message("3"), "data.sampler: expected a name or { weighted: … }, got 3");
}
