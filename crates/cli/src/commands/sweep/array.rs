//! Which cells of a sweep are this process's, where a scheduler or MPI started several of the same command.

use std::ops::RangeInclusive;
use tallow_train::Error;

/// How a task of a job array, or a rank, is told which it is.
struct Kind {
    name: &'static str,
    index: &'static str,
    /// Its first index: a variable, or that number.
    first: First,
    /// How many there are; without it, an index is a cell.
    count: Count,
}

enum First {
    Is(usize),
    In(&'static str),
}

enum Count {
    Unknown,
    In(&'static str),
    /// By the last index.
    Last(&'static str),
}

/// Those that are looked for, in this order: a task of an array may be of several ranks itself.
const KINDS: [Kind; 8] = [
    Kind {
        name: "Slurm's job array",
        index: "SLURM_ARRAY_TASK_ID",
        first: First::In("SLURM_ARRAY_TASK_MIN"),
        count: Count::In("SLURM_ARRAY_TASK_COUNT"),
    },
    Kind {
        name: "Grid Engine's array job",
        index: "SGE_TASK_ID",
        first: First::In("SGE_TASK_FIRST"),
        count: Count::Last("SGE_TASK_LAST"),
    },
    Kind {
        name: "LSF's job array",
        index: "LSB_JOBINDEX",
        first: First::Is(1),
        count: Count::Last("LSB_JOBINDEX_END"),
    },
    Kind { name: "PBS's job array", index: "PBS_ARRAY_INDEX", first: First::Is(1), count: Count::Unknown },
    Kind {
        name: "Kubernetes' indexed job",
        index: "JOB_COMPLETION_INDEX",
        first: First::Is(0),
        count: Count::Unknown,
    },
    Kind {
        name: "Open MPI",
        index: "OMPI_COMM_WORLD_RANK",
        first: First::Is(0),
        count: Count::In("OMPI_COMM_WORLD_SIZE"),
    },
    Kind { name: "MPICH", index: "PMI_RANK", first: First::Is(0), count: Count::In("PMI_SIZE") },
    Kind { name: "srun", index: "SLURM_PROCID", first: First::Is(0), count: Count::In("SLURM_NTASKS") },
];

/// The cells, from 0, of the process whose environment is `variable`: of `count` tasks every `count`-th one, and the one of its number where
/// the scheduler does not say how many there are. Says who told so.
///
/// # Errors
/// Where no scheduler says anything, a number is none, or a task is beyond the cells.
pub fn share(
    variable: impl Fn(&str) -> Option<String>,
    cells: usize,
) -> Result<(Vec<usize>, &'static str), Error> {
    // Grid Engine says `undefined`, and LSF 0, to a job that is no array.
    let told = |name: &str| variable(name).filter(|text| text != "undefined" && !text.is_empty());
    let is_array =
        |kind: &&Kind| told(kind.index).is_some_and(|text| !(kind.index == "LSB_JOBINDEX" && text == "0"));
    let Some(kind) = KINDS.iter().find(is_array) else {
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
    let first = match kind.first {
        First::Is(first) => first,
        First::In(name) => number(name)?,
    };
    let index = number(kind.index)?;
    let tasks: Option<RangeInclusive<usize>> = match kind.count {
        Count::Unknown => None,
        Count::In(name) => Some(first..=(first + number(name)?).saturating_sub(1)),
        Count::Last(name) => Some(first..=number(name)?),
    };
    let beyond = |expected: String| {
        Err(Error::recipe(format!("--array: {}: expected {expected}, got {index}", kind.index)))
    };
    let share: Vec<usize> = match tasks {
        Some(tasks) if !tasks.contains(&index) => {
            return beyond(format!("a task from {} to {}, one after the other", tasks.start(), tasks.end()));
        }
        Some(tasks) => (index - first..cells).step_by(tasks.end() - first + 1).collect(),
        None if !(first..first + cells).contains(&index) => {
            let last = first + cells - 1;
            return beyond(format!("a task from {first} to {last}, one for each cell"));
        }
        None => vec![index - first],
    };
    Ok((share, kind.name))
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
            let all = |index: &str, first: usize, more: &dyn Fn(usize) -> Vec<(&'static str, String)>| {
                let mut found: Vec<usize> = (first..first + tasks)
                    .flat_map(|task| {
                        let (task, more) = (task.to_string(), more(tasks));
                        let more = more.iter().map(|(name, text)| (*name, text.as_str()));
                        let variables: Vec<(&str, &str)> = more.chain([(index, task.as_str())]).collect();
                        of(&variables, cells).unwrap()
                    })
                    .collect();
                found.sort_unstable();
                assert_eq!(found, (0..cells).collect::<Vec<_>>(), "{index}: {tasks} tasks");
            };
            all("OMPI_COMM_WORLD_RANK", 0, &|tasks| vec![("OMPI_COMM_WORLD_SIZE", tasks.to_string())]);
            all("SLURM_ARRAY_TASK_ID", 3, &|tasks| {
                vec![("SLURM_ARRAY_TASK_MIN", "3".into()), ("SLURM_ARRAY_TASK_COUNT", tasks.to_string())]
            });
            all("SGE_TASK_ID", 1, &|tasks| {
                vec![("SGE_TASK_FIRST", "1".into()), ("SGE_TASK_LAST", tasks.to_string())]
            });
        }
    }

    #[test]
    fn an_index_without_a_count_is_a_cell() {
        assert_eq!(of(&[("PBS_ARRAY_INDEX", "2")], 3), Ok(vec![1]));
        assert_eq!(of(&[("JOB_COMPLETION_INDEX", "2")], 3), Ok(vec![2]));
        let beyond = of(&[("PBS_ARRAY_INDEX", "4")], 3).unwrap_err();
        assert_eq!(beyond, "--array: PBS_ARRAY_INDEX: expected a task from 1 to 3, one for each cell, got 4");
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
