//! The draws of affine, sharpness, blur and noise; operations undone by themselves.

use crate::draws::{draws, mean_is, uniform_is};
use crate::{noise, policy};

#[test]
fn affine_draws_each_number_uniformly() {
    let yaml = "{degrees: 20, translate: [0.1, 0.25], scale: [0.8, 1.3], shear: [-5, 10, 3, 4]}";
    let drawn = draws("affine", yaml, (200, 40));
    let ranges = [(-20.0, 20.0), (-20.0, 20.0), (-10.0, 10.0), (0.8, 1.3), (-5.0, 10.0), (3.0, 4.0)];
    for (i, (low, high)) in ranges.into_iter().enumerate() {
        mean_is(drawn.iter().map(|d| d[i]), (low + high) / 2.0, 0.0);
        assert!(drawn.iter().all(|d| (low..=high).contains(&d[i])), "{i}");
        if ![1, 2].contains(&i) {
            uniform_is(drawn.iter().map(|d| d[i]), low, high);
        }
    }
    assert!(drawn.iter().all(|d| d[1].fract() == 0.0 && d[2].fract() == 0.0), "shifts are whole pixels");
    // Rounded to whole pixels: E[x²] = Σ x² P(x), the outermost with half the share. ±10: (2 · Σ₁⁹ x² + 10²) / 20 = 33.5.
    mean_is(drawn.iter().map(|d| d[2].powi(2)), 33.5, 0.0);
    assert!(draws("affine", "{}", (9, 9)).iter().all(|d| *d == [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]));
    assert!(draws("affine", "{shear: 7}", (9, 9)).iter().all(|d| d[4].abs() <= 7.0 && d[5] == 0.0));
    assert!(draws("affine", "7", (9, 9)).iter().all(|d| d[0].abs() <= 7.0 && d[3] == 1.0));
}

#[test]
fn factors_and_widths_are_uniform() {
    for (name, yaml, low, high) in [
        ("sharpness", "{}", 0.0, 2.0),
        ("sharpness", "0.4", 0.6, 1.4),
        ("gaussian_blur", "{}", 0.1, 2.0),
        ("gaussian_blur", "{sigma: [1, 3], kernel_size: 5}", 1.0, 3.0),
        ("gaussian_blur", "1.5", 1.5, 1.5),
    ] {
        uniform_is(draws(name, yaml, (4, 4)).iter().map(|d| d[0]), low, high);
    }
}

#[test]
fn noise_is_normal_and_new_for_each_byte() {
    let drawn = draws("gaussian_noise", "{}", (2, 1));
    assert!(drawn.iter().all(|d| d.len() == 6));
    for i in 0..6 {
        mean_is(drawn.iter().map(|d| d[i]), 0.0, 0.0);
        mean_is(drawn.iter().map(|d| d[i].powi(2)), 1.0, 0.0);
        mean_is(drawn.iter().map(|d| d[i].powi(4)), 3.0, 0.0);
        mean_is(drawn.iter().map(|d| d[i] * d[(i + 1) % 6]), 0.0, 0.0);
    }
}

#[test]
fn what_is_done_twice_is_undone_or_the_same() {
    let image = noise(13, 11, 3);
    let apply = |name: &str, yaml: &str, image| policy(name, yaml).apply(image, &Vec::new()).unwrap();
    let twice = |name, yaml| apply(name, yaml, apply(name, yaml, image.clone()));
    assert_eq!(twice("invert", "{}"), image);
    assert_eq!(twice("solarize", "0"), image);
    for (name, yaml) in [("grayscale", "{}"), ("posterize", "3"), ("autocontrast", "{}")] {
        assert_eq!(twice(name, yaml), apply(name, yaml, image.clone()), "{name}");
    }
}
