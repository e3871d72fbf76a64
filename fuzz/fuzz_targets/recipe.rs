//! Recipes: YAML, its bounds, every key's own check, and the places of mistakes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallow_policy::Registry;
use tallow_train::Plan;

fuzz_target!(|text: &str| {
    let registry = Registry::builtin();
    if let Err(error) = Plan::parse("fuzz.yaml", text, &registry) {
        // A mistake has a message, and building it finds its line.
        assert!(!error.to_string().is_empty());
    }
});
