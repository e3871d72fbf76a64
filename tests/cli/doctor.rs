//! `tallow doctor`: what the machine has, and what a recipe waits for.

use crate::program::Desk;

#[test]
fn a_machine_and_a_recipe_are_measured_and_nothing_is_left() {
    let desk = Desk::new();
    let json = desk.tallow(&["doctor", "tiny.yaml", "--batches", "2", "--json"]).ok().json();
    for path in ["/speed/gflops", "/speed/gb_per_second", "/speed/jpegs_per_second", "/recipe/reading"] {
        assert!(json.pointer(path).unwrap().as_f64().unwrap() > 0.0, "{path}");
    }
    let (reading, network) = (&json["recipe"]["reading"], &json["recipe"]["network"]);
    let [reading, network] = [reading, network].map(|rate| rate.as_f64().unwrap());
    let share = json["recipe"]["share_of_reading"].as_f64().unwrap();
    assert!((share - network / (reading + network)).abs() < 1e-9);
    // Four steps an epoch, two epochs.
    let seconds = |name: &str| json["recipe"][name].as_f64().unwrap();
    assert!((seconds("run_seconds") - 2.0 * seconds("epoch_seconds")).abs() < 1e-9);
    assert_eq!(json["recipe"]["name"], "tiny");
    assert_eq!(json["gpus"]["auto"].as_str().map(|name| name.is_empty()), Some(false));
    assert!(json["hardware"]["cores"].as_u64().unwrap() >= 1 && json["complaints"].is_array());
    let text = desk.tallow(&["doctor", "tiny.yaml", "--batches", "2"]).ok().out;
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for words in ["\nprocessor ", "\ngpu ", "\nrecipe      tiny on ", "\nwaits for "] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert_eq!(desk.names("."), ["tiny.yaml"]);
}

#[test]
fn what_is_in_the_way_is_said_with_its_remedy() {
    let desk = Desk::new();
    let few = desk.program(crate::program::Program::Tallow).env("RAYON_NUM_THREADS", "1");
    let json = few.args(&["doctor", "--json"]).say().ok().json();
    let complaints = json["complaints"].to_string();
    let cores = json["hardware"]["cores"].as_u64().unwrap();
    assert_eq!(complaints.contains(&format!("1 of {cores} cores compute")), cores > 1, "{complaints}");
    assert_eq!(complaints.contains("RAYON_NUM_THREADS"), cores > 1);
    assert!(json["recipe"].is_null());
    // A mistake comes before two seconds of measuring.
    desk.tallow(&["doctor", "tiny.yaml", "data.batch=0"]).complains(2, &["data.batch", "1 or more, got 0"]);
}
