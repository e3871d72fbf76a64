//! What is asked of decisions: goals of thresholds, costs, shares; and rates with their intervals.

use serde_json::{Value, json};
use std::path::Path;
use tallow_metrics::{Called, Costs, Goal, Predictions, Risk, Risks, SetScore, wilson};
use tallow_train::Error;

/// `MEL:sensitivity=0.95`, each class once.
pub fn thresholds(texts: &[String]) -> Result<Vec<(String, Goal)>, Error> {
    let mut found: Vec<(String, Goal)> = Vec::new();
    for text in texts {
        let mistake = |problem: &str| Err(Error::recipe(format!("--threshold {text}: {problem}")));
        let expected = "expected CLASS:sensitivity=0.95, CLASS:specificity=0.9 or CLASS:f1";
        // A class may have a colon in its name.
        let Some((class, goal)) = text.rsplit_once(':') else { return mistake(expected) };
        let (goal, share) = goal.split_once('=').map_or((goal, None), |(goal, share)| (goal, Some(share)));
        let share = match share.map(str::parse::<f64>) {
            None => None,
            Some(Ok(share)) if share > 0.0 && share <= 1.0 => Some(share),
            Some(_) => return mistake("expected a share above 0, up to 1, such as 0.95"),
        };
        let goal = match (goal, share) {
            ("sensitivity" | "recall", Some(share)) => Goal::Sensitivity(share),
            ("specificity", Some(share)) => Goal::Specificity(share),
            ("f1", None) => Goal::F1,
            _ => return mistake(expected),
        };
        if found.iter().any(|(known, _)| known == class) {
            return mistake("this class has a threshold already; a class has one");
        }
        found.push((class.to_owned(), goal));
    }
    Ok(found)
}

pub fn set_score(name: &str) -> Result<SetScore, Error> {
    match name {
        "lac" => Ok(SetScore::Lac),
        "aps" => Ok(SetScore::Aps),
        _ => Err(Error::recipe(format!("--sets {name}: expected lac or aps"))),
    }
}

/// A number between 0 and 1, if there is one.
pub fn is_share(option: &str, share: Option<f64>) -> Result<(), Error> {
    match share {
        Some(share) if !(share > 0.0 && share < 1.0) => Err(Error::recipe(format!(
            "{option} {share}: expected a share between 0 and 1, such as 0.9 or 0.05"
        ))),
        _ => Ok(()),
    }
}

/// The most images of which at most a share is wrong.
pub fn risk(predictions: &Predictions, most: f64) -> Result<Risk, Error> {
    Risks::of(predictions).coverage_at(most).ok_or_else(|| {
        let problem = "the surest images are wrong more often than that already; allow more";
        Error::recipe(format!("--max-risk {most}: {problem}"))
    })
}

/// A CSV with a row for each truth and a column for each decision, in any order.
pub fn costs(path: &Path, classes: &[String]) -> Result<Costs, Error> {
    let wrong = |problem: String| Error::recipe(format!("--costs {}: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| wrong(error.to_string()))?.clone();
    let class = |name: &str| {
        let known = || format!("`{name}` is no class; expected {}", classes.join(", "));
        classes.iter().position(|class| class == name).ok_or_else(|| wrong(known()))
    };
    let decisions: Vec<usize> = header.iter().skip(1).map(class).collect::<Result<_, _>>()?;
    let mut cost = vec![vec![f64::NAN; classes.len()]; classes.len()];
    for record in reader.records() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let truth = class(&record[0])?;
        for (&decision, text) in decisions.iter().zip(record.iter().skip(1)) {
            let name = |class: usize| &classes[class];
            let pair = format!("{} decided as {}", name(truth), name(decision));
            let number: f64 =
                text.parse().map_err(|_| wrong(format!("{pair}: expected a number, got `{text}`")))?;
            if !cost[truth][decision].is_nan() {
                return Err(wrong(format!("{pair}: is there twice")));
            }
            cost[truth][decision] = number;
        }
    }
    let missing = |(truth, row): (usize, &Vec<f64>)| {
        row.iter().position(|cost| cost.is_nan()).map(|decision| (truth, decision))
    };
    if let Some((truth, decision)) = cost.iter().enumerate().find_map(missing) {
        let problem = format!("no cost of {} decided as {}", classes[truth], classes[decision]);
        return Err(wrong(format!("{problem}; expected a row and a column for each class")));
    }
    Costs::new(cost, classes.len()).map_err(|error| wrong(error.to_string()))
}

/// A share with Wilson's 95 % interval, of images as if they were independent.
pub struct Rate {
    pub name: &'static str,
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Rate {
    pub fn as_json(&self) -> Value {
        json!({ "value": self.value, "low": self.low, "high": self.high })
    }
}

/// A class, how it is called, and its rates by name.
pub fn called_json(class: &str, called: &Called) -> Value {
    let mut json = json!({ "class": class, "counts": called });
    for rate in rates(called) {
        json[rate.name.replace(' ', "_")] = rate.as_json();
    }
    json
}

/// Sensitivity, specificity and predictive values; those without a denominator are left out.
pub fn rates(called: &Called) -> Vec<Rate> {
    let Called { hits, misses, false_alarms, rest } = *called;
    let of = [
        ("sensitivity", hits, hits + misses),
        ("specificity", rest, rest + false_alarms),
        ("positive predictive value", hits, hits + false_alarms),
        ("negative predictive value", rest, rest + misses),
    ];
    let rate = |(name, part, whole): (&'static str, u64, u64)| {
        let (low, high) = wilson(part, whole, 0.95).ok()?;
        (whole > 0).then(|| Rate { name, value: part as f64 / whole as f64, low, high })
    };
    of.into_iter().filter_map(rate).collect()
}

/// A threshold for a terminal: a line, and one for each rate.
pub fn lines(class: &str, at: f64, called: &Called) -> String {
    let mut out = format!("{class} from {at:.4} on\n");
    for Rate { name, value, low, high } in rates(called) {
        out += &format!("  {name:<26}{value:.3}  ({low:.3} to {high:.3})\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_read_or_refused() {
        let read =
            |texts: &[&str]| thresholds(&texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>());
        let found = read(&["MEL:sensitivity=0.95", "a:b:f1", "NV:specificity=0.5"]).unwrap();
        let expected = [("MEL", Goal::Sensitivity(0.95)), ("a:b", Goal::F1), ("NV", Goal::Specificity(0.5))];
        assert_eq!(found, expected.map(|(class, goal)| (class.to_owned(), goal)));
        let refused = |texts: &[&str], words: &str| {
            let error = read(texts).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        refused(&["MEL"], "expected CLASS:sensitivity=0.95");
        refused(&["MEL:sensitivity"], "expected CLASS:sensitivity=0.95");
        refused(&["MEL:f1=0.5"], "expected CLASS:sensitivity=0.95");
        refused(&["MEL:sensitivity=95"], "a share above 0, up to 1");
        refused(&["MEL:f1", "MEL:sensitivity=0.9"], "has a threshold already");
    }

    #[test]
    fn costs_are_matched_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("costs.csv");
        let classes = ["MEL", "NV"].map(str::to_owned);
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            costs(&path, &classes)
        };
        let found = read("truth, NV, MEL\nNV, 0, 1\nMEL, 10, 0\n").unwrap();
        assert_eq!((found.of(0, 1), found.of(1, 0), found.of(0, 0)), (10.0, 1.0, 0.0));
        let refused = |text: &str, words: &str| {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        refused("truth,NV,MEL\nNV,0,1\n", "no cost of MEL decided as MEL");
        refused("truth,NV,BCC\nNV,0,1\n", "`BCC` is no class; expected MEL, NV");
        refused("truth,NV,MEL\nNV,0,x\nMEL,1,0\n", "NV decided as MEL: expected a number, got `x`");
        refused("truth,NV,MEL\nNV,0,1\nMEL,1,0\nNV,0,1\n", "NV decided as NV: is there twice");
    }
}
