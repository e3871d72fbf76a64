//! The processor and the memory.

use crate::run::machine;
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub struct Hardware {
    /// Its name, where the system says it.
    pub processor: Option<String>,
    /// That this process may use.
    pub cores: usize,
    /// That compute.
    pub threads: usize,
    /// The instructions that the loops of the kernels are compiled for here.
    pub loops: &'static str,
    /// Bytes in all, and those that are free to this process.
    pub memory: Option<u64>,
    pub available: Option<u64>,
}

impl Hardware {
    /// Of this machine.
    pub fn here() -> Hardware {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Hardware {
            processor: processor(&text("/proc/cpuinfo")),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            threads: rayon::current_num_threads(),
            loops: tallow_kernels::vector_code(),
            memory: machine::total(),
            available: machine::available(),
        }
    }
}

/// `model name : AMD EPYC` of the first core.
fn processor(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("model name") || line.starts_with("Model"))?;
    let name = line.split_once(':')?.1.split_whitespace().collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_has_a_name() {
        let text = "processor\t: 0\nmodel name\t: Intel(R)  Xeon(R) CPU\nmodel name\t: other\n";
        assert_eq!(processor(text).as_deref(), Some("Intel(R) Xeon(R) CPU"));
        assert_eq!((processor("processor : 0\n"), processor("model name :\n")), (None, None));
        let here = Hardware::here();
        assert!(here.cores >= 1 && here.threads >= 1 && !here.loops.is_empty());
    }
}
