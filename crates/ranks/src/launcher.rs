//! Whether this process is one of several that were started together, by the environment that launchers give.

/// Who started this process, and among how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launched {
    /// Such as `Open MPI`.
    pub by: &'static str,
    pub ranks: usize,
}

/// Launchers, and their variables of a rank and of the number of ranks. Those of one that starts MPI's own processes come first.
const LAUNCHERS: [(&str, &str, &str); 3] = [
    ("Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("MPICH", "PMI_RANK", "PMI_SIZE"),
    ("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
];

/// What the environment `variable` says; none where no launcher started this process. Slurm starts single
/// tasks too, by its own variables or those of PMI: one is no training on several.
pub fn launched(variable: impl Fn(&str) -> Option<String>) -> Option<Launched> {
    LAUNCHERS.iter().find_map(|&(by, rank, count)| {
        let number = |name: &str| variable(name)?.parse::<usize>().ok();
        let (_, ranks) = (number(rank)?, number(count)?);
        (by == "Open MPI" || ranks > 1).then_some(Launched { by, ranks })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<Launched> {
        launched(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn launchers_are_known_by_their_variables() {
        assert_eq!(of(&[]), None);
        let open = of(&[("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "4"), ("SLURM_PROCID", "1")]);
        assert_eq!(open, Some(Launched { by: "Open MPI", ranks: 4 }));
        assert_eq!(of(&[("PMI_RANK", "0"), ("PMI_SIZE", "1")]), None);
        assert_eq!(of(&[("PMI_RANK", "1"), ("PMI_SIZE", "2")]), Some(Launched { by: "MPICH", ranks: 2 }));
        let slurm = |tasks| of(&[("SLURM_PROCID", "0"), ("SLURM_STEP_NUM_TASKS", tasks)]);
        assert_eq!(slurm("1"), None);
        assert_eq!(slurm("3").map(|launched| launched.ranks), Some(3));
        // A job's shell has the variables of no step.
        assert_eq!(of(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "3")]), None);
    }
}
