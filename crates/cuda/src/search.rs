//! Where a library may lie, in the order in which it is looked for.

use crate::VARIABLE;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The places, as `docs/gpu.md` lists them.
pub const PLACES: [&str; 5] = [
    "the folders that `TALLOW_CUDA_LIBRARIES` names by whole paths, divided by colons",
    "where the system's loader looks: `LD_LIBRARY_PATH`, then what `ldconfig -p` lists",
    "the toolkit that `CUDA_HOME` or `CUDA_PATH` names",
    "NVIDIA's wheels (`nvidia/*/lib`) in the Python of `VIRTUAL_ENV` or `CONDA_PREFIX`, the user's, the system's",
    "the usual folders, `/usr/local/cuda/lib64` and the like",
];

const USUAL: [&str; 5] = [
    "/usr/local/cuda/lib64",
    "/opt/cuda/lib64",
    // Containers, Windows, NixOS.
    "/usr/local/nvidia/lib64",
    "/usr/lib/wsl/lib",
    "/run/opengl-driver/lib",
];

/// What is opened, one after the other, until one opens: files that are there, and in its turn the bare name, which the loader looks for.
pub fn candidates(soname: &str, var: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let named = var(VARIABLE).unwrap_or_default();
    // A relative folder would mean another one in every working directory.
    let named = std::env::split_paths(&named).filter(|folder| folder.is_absolute());
    let later = toolkits(var).into_iter().chain(wheels(var)).chain(USUAL.map(PathBuf::from));
    let files = |folder: PathBuf| Some(folder.join(soname)).filter(|file| file.is_file());
    named.filter_map(files).chain([PathBuf::from(soname)]).chain(later.filter_map(files)).collect()
}

fn toolkits(var: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let roots = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(var).map(PathBuf::from);
    roots
        .filter(|root| root.is_absolute())
        .flat_map(|root| ["lib64", "lib"].map(|name| root.join(name)))
        .collect()
}

fn wheels(var: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let at = |name: &str| var(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let mut folders = Vec::new();
    let mut sites = Vec::new();
    sites.extend(
        at("VIRTUAL_ENV").map(|root| pythons(&root.join("lib"), "site-packages")).into_iter().flatten(),
    );
    if let Some(root) = at("CONDA_PREFIX") {
        folders.push(root.join("lib"));
        sites.extend(pythons(&root.join("lib"), "site-packages"));
    }
    sites.extend(
        at("HOME").map(|home| pythons(&home.join(".local/lib"), "site-packages")).into_iter().flatten(),
    );
    sites.extend(pythons(Path::new("/usr/local/lib"), "site-packages"));
    sites.extend(pythons(Path::new("/usr/local/lib"), "dist-packages"));
    sites.push("/usr/lib/python3/dist-packages".into());
    for site in sites {
        folders.extend(below(&site.join("nvidia")).into_iter().map(|package| package.join("lib")));
    }
    folders
}

/// `lib/python3.13/site-packages`, the newest first.
fn pythons(lib: &Path, packages: &str) -> Vec<PathBuf> {
    let is_python =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3."));
    let mut found: Vec<PathBuf> = below(lib).into_iter().filter(is_python).collect();
    let minor =
        |path: &PathBuf| path.extension().and_then(|minor| minor.to_string_lossy().parse::<u32>().ok());
    found.sort_by_key(|path| std::cmp::Reverse(minor(path)));
    found.into_iter().map(|path| path.join(packages)).collect()
}

/// What lies in a folder, the last name first: of `cu12` and `cu13` the newer.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.reverse();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_in_their_order() {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path();
        for folder in [
            "named/one",
            "named/two",
            "toolkit/lib64",
            "wheels/lib/python3.11/site-packages/nvidia/cu13/lib",
            "wheels/lib/python3.9/site-packages/nvidia/cublas/lib",
            "home/.local/lib/python3.12/site-packages/nvidia/cu13/lib",
        ] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
            if folder != "named/one" {
                std::fs::write(root.join(folder).join("libcublas.so.13"), "").unwrap();
            }
        }
        let named = format!("named:{0}/named/one:{0}/named/two", root.display());
        let var = |name: &str| match name {
            VARIABLE => Some(named.clone().into()),
            "CUDA_HOME" => Some(root.join("toolkit").into()),
            "VIRTUAL_ENV" => Some(root.join("wheels").into()),
            "HOME" => Some(root.join("home").into()),
            _ => None,
        };
        let found = candidates("libcublas.so.13", &var);
        let found: Vec<&str> = found
            .iter()
            .filter(|path| path.starts_with(root) || path.is_relative())
            .map(|path| path.strip_prefix(root).unwrap_or(path).to_str().unwrap())
            .collect();
        let expected = [
            "named/two/libcublas.so.13",
            "libcublas.so.13",
            "toolkit/lib64/libcublas.so.13",
            "wheels/lib/python3.11/site-packages/nvidia/cu13/lib/libcublas.so.13",
            "wheels/lib/python3.9/site-packages/nvidia/cublas/lib/libcublas.so.13",
            "home/.local/lib/python3.12/site-packages/nvidia/cu13/lib/libcublas.so.13",
        ];
        assert_eq!(found, expected);
    }
}
