//! GPUs: which are there, what is there of the libraries that drive them, and why not the rest.

use super::Complaint;
use crate::run::DeviceChoice;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The CUDA libraries, by the beginnings of their files' names, as a build looks for them that does not open them itself.
const LIBRARIES: [(&str, &str); 5] = [
    ("driver", "libcuda.so"),
    ("cuBLAS", "libcublas.so"),
    ("cuRAND", "libcurand.so"),
    ("NVRTC", "libnvrtc.so"),
    ("cuDNN", "libcudnn.so"),
];

/// Of a GPU that does not open.
const REMEDY: &str = if cfg!(all(feature = "cuda", target_os = "linux")) {
    "what of its libraries is missing stands above; TALLOW_CUDA_LIBRARIES names folders to look in"
} else {
    "what of its libraries is missing stands above; LD_LIBRARY_PATH names where to look"
};

#[derive(Clone, Debug, Serialize)]
pub struct Gpus {
    /// Each as `nvidia-smi` describes it: name, memory, compute capability, driver.
    pub nvidia: Vec<String>,
    /// Where libraries lie; empty where no GPU and no driver is, and this build has no `cuda`.
    pub libraries: Vec<Library>,
    /// Which of `cuda`, `cudnn`, `metal` this build has.
    pub built_with: Vec<&'static str>,
    /// The device that `device: auto` takes, such as `cpu`.
    pub auto: String,
    /// Why not CUDA or Metal, where this build has one of them and it does not open.
    pub refused: Option<String>,
}

/// A library of the CUDA toolkit, and the file that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Library {
    pub name: &'static str,
    pub file: Option<PathBuf>,
    /// What the library says of itself, where this build opens it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why there is no file, where this build opens libraries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

impl Gpus {
    /// Of this machine.
    pub fn here() -> Gpus {
        let nvidia = nvidia_smi();
        let built_with: Vec<&str> = [
            ("cuda", cfg!(feature = "cuda")),
            ("cudnn", cfg!(feature = "cudnn")),
            ("metal", cfg!(feature = "metal")),
        ]
        .into_iter()
        .filter_map(|(name, has)| has.then_some(name))
        .collect();
        let opened = opened();
        let libraries = if opened.is_empty() { libraries(&folders()) } else { opened };
        let is_driven = !nvidia.is_empty() || libraries[0].file.is_some() || cfg!(feature = "cuda");
        let refused = match () {
            () if cfg!(feature = "cuda") => DeviceChoice::Cuda(0).open().err(),
            () if cfg!(feature = "metal") => DeviceChoice::Metal.open().err(),
            () => None,
        };
        let auto = DeviceChoice::Auto.open().map_or("cpu".to_owned(), |device| crate::device_name(&device));
        let auto = auto.split(" (").next().unwrap_or("cpu").to_owned();
        let libraries = if is_driven { libraries } else { Vec::new() };
        Gpus { nvidia, libraries, built_with, auto, refused }
    }

    /// A GPU that is there and not used.
    pub(super) fn complaint(&self) -> Option<Complaint> {
        if self.auto != "cpu" || self.nvidia.is_empty() {
            return None;
        }
        let gpu = &self.nvidia[0];
        Some(match &self.refused {
            Some(why) => {
                Complaint { what: format!("{gpu} is there and does not open: {why}"), remedy: REMEDY.into() }
            }
            None => Complaint {
                what: format!("{gpu} is there, and this build cannot use it"),
                remedy: "cargo build --features cuda, or cudnn".into(),
            },
        })
    }
}

/// A line of each GPU.
fn nvidia_smi() -> Vec<String> {
    let asked = ["--query-gpu=name,memory.total,compute_cap,driver_version", "--format=csv,noheader"];
    let Ok(said) = Command::new("nvidia-smi").args(asked).output() else { return Vec::new() };
    if !said.status.success() {
        return Vec::new();
    }
    described(&String::from_utf8_lossy(&said.stdout))
}

/// `NVIDIA A100, 81920 MiB, 8.0, 550.54` as a person says it.
fn described(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        match fields[..] {
            [name, memory, capability, driver] => {
                format!("{name} ({memory}, compute capability {capability}, driver {driver})")
            }
            _ => line.trim().to_owned(),
        }
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(line).collect()
}

/// The libraries that this build opens itself: those files that a training would take.
#[cfg(feature = "cuda")]
fn opened() -> Vec<Library> {
    let known = |library: tallow_cuda::Library| {
        let name = library.name;
        match library.file {
            Ok((file, version)) => Library { name, file: Some(file), version, missing: None },
            Err(why) => Library { name, file: None, version: None, missing: Some(why) },
        }
    };
    tallow_cuda::libraries().into_iter().map(known).collect()
}

#[cfg(not(feature = "cuda"))]
fn opened() -> Vec<Library> {
    Vec::new()
}

/// Where the system's linker looks, roughly: named folders first.
fn folders() -> Vec<PathBuf> {
    let named = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = std::env::split_paths(&named).filter(|path| path.is_absolute()).collect();
    for root in ["CUDA_HOME", "CUDA_PATH"].iter().filter_map(std::env::var_os) {
        found.push(Path::new(&root).join("lib64"));
    }
    let usual = [
        "/usr/local/cuda/lib64",
        "/usr/lib64",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib/wsl/lib",
    ];
    found.extend(usual.map(PathBuf::from));
    found
}

fn libraries(folders: &[PathBuf]) -> Vec<Library> {
    let find = |start: &str| {
        folders.iter().find_map(|folder| {
            let entries = std::fs::read_dir(folder).ok()?.flatten();
            let mut files: Vec<PathBuf> = entries
                .map(|entry| entry.path())
                .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)))
                .collect();
            // `libcudnn.so.9` before `libcudnn.so.9.1.0`.
            files.sort_by_key(|path| path.as_os_str().len());
            files.into_iter().next()
        })
    };
    LIBRARIES.map(|(name, start)| Library { name, file: find(start), version: None, missing: None }).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nvidia_smi_says_is_read() {
        let found = described("NVIDIA A100, 81920 MiB, 8.0, 550.54.15\n\nodd line\n");
        let said = "NVIDIA A100 (81920 MiB, compute capability 8.0, driver 550.54.15)";
        assert_eq!(found, [said, "odd line"]);
    }

    #[test]
    fn libraries_are_found_where_the_linker_looks_first() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (folder, name) in [
            (&one, "libcudnn.so.9.1.0"),
            (&one, "libcudnn.so.9"),
            (&two, "libcudnn.so"),
            (&two, "libcuda.so.1"),
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = libraries(&[one.path().into(), two.path().into(), "/nowhere".into()]);
        let file = |name: &str| found.iter().find(|library| library.name == name).unwrap().file.clone();
        assert_eq!(file("cuDNN"), Some(one.path().join("libcudnn.so.9")));
        assert_eq!((file("driver"), file("cuBLAS")), (Some(two.path().join("libcuda.so.1")), None));
    }

    #[test]
    fn a_gpu_that_is_not_used_is_a_complaint() {
        let mut gpus = Gpus {
            nvidia: vec!["NVIDIA A100".into()],
            libraries: Vec::new(),
            built_with: Vec::new(),
            auto: "cpu".into(),
            refused: None,
        };
        assert!(gpus.complaint().unwrap().remedy.contains("--features cuda"));
        gpus.refused = Some("no driver".into());
        assert!(gpus.complaint().unwrap().what.contains("does not open: no driver"));
        gpus.auto = "cuda:0".into();
        assert_eq!(gpus.complaint(), None);
    }
}
