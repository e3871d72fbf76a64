//! Which cells of a sweep are this process's, where a scheduler or MPI started several of the same command.

use tallow_train::Error;

/// How a task of a job array, or a rank, is told which it is.
struct Kind {
    name: &'static str,
    /// The variable of its number.
    index: &'static str,
    share: Share,
}

enum Share {
    /// The cell of its number, the first of which is this: how many tasks there are is not said, or some may be left out.
    One(usize),
    /// Every n-th cell; variables of the first number, where that is not 0, and of n.
    Dealt { first: Option<&'static str>, tasks: &'static str },
}

/// Those that are looked for, in this order: a task of an array may be of several ranks itself.
const KINDS: [Kind; 8] = [
    Kind {
        name: "Slurm's job array",
        index: "SLURM_ARRAY_TASK_ID",
        share: Share::Dealt { first: Some("SLURM_ARRAY_TASK_MIN"), tasks: "SLURM_ARRAY_TASK_COUNT" },
    },
    Kind { name: "Grid Engine's array job", index: "SGE_TASK_ID", share: Share::One(1) },
    Kind { name: "LSF's job array", index: "LSB_JOBINDEX", share: Share::One(1) },
    Kind { name: "PBS's job array", index: "PBS_ARRAY_INDEX", share: Share::One(1) },
    Kind { name: "Kubernetes' indexed job", index: "JOB_COMPLETION_INDEX", share: Share::One(0) },
    Kind {
        name: "Open MPI",
        index: "OMPI_COMM_WORLD_RANK",
        share: Share::Dealt { first: None, tasks: "OMPI_COMM_WORLD_SIZE" },
    },
    Kind { name: "MPICH", index: "PMI_RANK", share: Share::Dealt { first: None, tasks: "PMI_SIZE" } },
    Kind { name: "srun", index: "SLURM_PROCID", share: Share::Dealt { first: None, tasks: "SLURM_NTASKS" } },
];

/// The cells, from 0, of the process whose environment is `variable`, and who told so.
///
/// # Errors
/// Where no scheduler says anything, a number is none, or a task is beyond the others or the cells.
pub fn share(
    variable: impl Fn(&str) -> Option<String>,
    cells: usize,
) -> Result<(Vec<usize>, &'static str), Error> {
    // Grid Engine says `undefined`, and LSF 0, to a job that is no array.
    let told = |name: &str| variable(name).filter(|text| text != "undefined" && !text.is_empty());
    let is_task =
        |kind: &&Kind| told(kind.index).is_some_and(|text| kind.index != "LSB_JOBINDEX" || text != "0");
    let Some(kind) = KINDS.iter().find(is_task) else {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.index).collect();
        return Err(Error::recipe(format!(
            "--array: expected a task of a job array, or a rank; none of {} is set – take --cell N, or write a job array by --slurm FILE",
            known.join(", ")
        )));
    };
    let number = |name: &str| {
        let text = told(name).unwrap_or_default();
        text.parse::<usize>()
            .map_err(|_| Error::recipe(format!("--array: {name}: expected a whole number, got `{text}`")))
    };
    let index = number(kind.index)?;
    let (first, tasks) = match kind.share {
        Share::One(first) => (first, cells),
        Share::Dealt { first, tasks } => (first.map_or(Ok(0), number)?, number(tasks)?),
    };
    if !(first..first + tasks).contains(&index) {
        let what = if let Share::One(_) = kind.share { "each of one cell" } else { "one after the other" };
        let last = (first + tasks).saturating_sub(1);
        let problem = format!("expected a task from {first} to {last}, {what}, got {index}");
        return Err(Error::recipe(format!("--array: {}: {problem}", kind.index)));
    }
    Ok(((index - first..cells).step_by(tasks).collect(), kind.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)], cells: usize) -> Result<Vec<usize>, String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
        };
        share(variable, cells).map(|(cells, _)| cells).map_err(|error| error.to_string())
    }

    #[test]
    fn the_shares_of_all_tasks_are_all_cells_once() {
        for (tasks, cells) in [(1, 5), (2, 5), (3, 7), (8, 5), (5, 5)] {
            let count = tasks.to_string();
            let mpi = ("OMPI_COMM_WORLD_RANK", 0, vec![("OMPI_COMM_WORLD_SIZE", count.as_str())]);
            let array = vec![("SLURM_ARRAY_TASK_MIN", "3"), ("SLURM_ARRAY_TASK_COUNT", count.as_str())];
            for (index, first, more) in [mpi, ("SLURM_ARRAY_TASK_ID", 3, array)] {
                let mut found = Vec::new();
                for task in first..first + tasks {
                    found.extend(
                        of(&[&[(index, task.to_string().as_str())], &more[..]].concat(), cells).unwrap(),
                    );
                }
                found.sort_unstable();
                assert_eq!(found, (0..cells).collect::<Vec<_>>(), "{index}: {tasks} tasks");
            }
        }
    }

    #[test]
    fn an_index_without_a_count_is_a_cell() {
        assert_eq!(of(&[("PBS_ARRAY_INDEX", "2")], 3), Ok(vec![1]));
        assert_eq!(of(&[("SGE_TASK_ID", "3")], 3), Ok(vec![2]));
        assert_eq!(of(&[("JOB_COMPLETION_INDEX", "2")], 3), Ok(vec![2]));
        let beyond = of(&[("PBS_ARRAY_INDEX", "4")], 3).unwrap_err();
        assert_eq!(beyond, "--array: PBS_ARRAY_INDEX: expected a task from 1 to 3, each of one cell, got 4");
    }

    #[test]
    fn what_is_no_task_is_refused() {
        assert!(
            of(&[], 3)
                .unwrap_err()
                .starts_with("--array: expected a task of a job array, or a rank; none of SLURM")
        );
        assert!(of(&[("SGE_TASK_ID", "undefined"), ("LSB_JOBINDEX", "0")], 3).is_err());
        let said = of(&[("PMI_RANK", "x"), ("PMI_SIZE", "2")], 3).unwrap_err();
        assert_eq!(said, "--array: PMI_RANK: expected a whole number, got `x`");
        let gap =
            [("SLURM_ARRAY_TASK_ID", "9"), ("SLURM_ARRAY_TASK_MIN", "1"), ("SLURM_ARRAY_TASK_COUNT", "3")];
        assert!(
            of(&gap, 9).unwrap_err().ends_with("expected a task from 1 to 3, one after the other, got 9")
        );
    }
}
