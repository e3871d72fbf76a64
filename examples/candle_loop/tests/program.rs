//! The program as a person starts it: both networks learn, and what is saved has torchvision's names.

use std::process::Command;

/// (loss of mixed batches, validation loss, balanced accuracy) of every epoch.
fn epochs(arguments: &[&str]) -> (Vec<[f64; 3]>, tempfile::TempDir) {
    let desk = tempfile::tempdir().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_candle_loop"));
    let output = program.args(arguments).current_dir(desk.path()).output().expect("the program starts");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(output.status.success(), "{said}");
    let numbers = |line: &str| {
        let words = line.split([' ', ',']).filter_map(|word| word.parse().ok());
        <[f64; 3]>::try_from(words.collect::<Vec<_>>()).expect("three numbers")
    };
    (said.lines().map(numbers).collect(), desk)
}

fn learns(epochs: &[[f64; 3]]) {
    let (first, last) = (epochs[0], epochs[epochs.len() - 1]);
    assert_eq!(epochs.len(), 8);
    assert!(last[0] < 0.85 * first[0], "{epochs:?}");
    // A seventh is chance.
    assert!(last[2] > 0.3, "{epochs:?}");
}

#[test]
fn a_network_of_ours_learns_and_its_map_has_its_names() {
    let (epochs, desk) = epochs(&[]);
    learns(&epochs);
    let file = candle_core::safetensors::load(
        desk.path().join("candle_loop.safetensors"),
        &candle_core::Device::Cpu,
    );
    let file = file.unwrap();
    for name in ["conv1.weight", "layer3.2.bn2.running_mean", "fc.bias"] {
        assert!(file.contains_key(name), "no `{name}` among {:?}", file.keys());
    }
}

#[test]
fn a_network_of_candles_layers_learns_from_the_same_batches() {
    learns(&epochs(&["plain"]).0);
}
