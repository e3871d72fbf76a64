//! Where the presets lie: in the package, or in the repository, where `policies` here is a link for the package alone, which not
//! every checkout can have.

use std::path::Path;

fn main() {
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("set by cargo");
    let folders = [Path::new(&here).join("policies"), Path::new(&here).join("../../policies")];
    let folder =
        folders.iter().find(|folder| folder.is_dir()).expect("policies – expected a folder of presets");
    println!("cargo::rustc-env=TALLOW_POLICIES={}", folder.display());
    println!("cargo::rerun-if-changed=build.rs");
}
