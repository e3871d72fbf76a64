//! Where tests compute on CUDA: on the stand-in for a GPU (`standin/`), or on the GPU that `TALLOW_TEST_DEVICE=cuda:0` names.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub enum Place {
    /// With the libraries of this folder in place of NVIDIA's.
    StandIn(PathBuf),
    /// Its device, such as `cuda:0`.
    Gpu(String),
}

impl Place {
    /// `kernels` is the folder of the crate `tallow-kernels`. None where there is neither a C++ compiler for the stand-in nor a GPU
    /// named, which is said.
    pub fn find(kernels: &Path) -> Option<&'static Place> {
        static FOUND: OnceLock<Option<Place>> = OnceLock::new();
        let found = || match std::env::var("TALLOW_TEST_DEVICE") {
            Ok(device) if device.starts_with("cuda") => Some(Place::Gpu(device)),
            _ => built(kernels).map(Place::StandIn),
        };
        FOUND.get_or_init(found).as_ref()
    }
}

fn built(kernels: &Path) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("standin");
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    if !Command::new(&compiler).arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("no C++ compiler ({compiler}) and no TALLOW_TEST_DEVICE: nothing is computed on CUDA");
        return None;
    }
    let script = kernels.join("tests/cuda/standin/build.sh");
    let output = Command::new("sh").arg(script).arg(&folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(folder)
}
