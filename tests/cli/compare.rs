//! `compare`: models on the same images, as a person asks.

use super::trained;
use crate::program::Desk;

/// Predictions of 40 lesions of two images each: `wrong` of them not right.
fn csv(wrong: usize, turned: bool) -> String {
    let row = |image: usize| {
        let label = ["nv", "mel"][image / 2 % 2];
        let right = image * 7 % 80 >= wrong;
        let of_mel = if (label == "mel") == right { 0.5 + 0.4 * (image + 1) as f64 / 82.0 } else { 0.3 };
        let predicted = if of_mel > 0.5 { "mel" } else { "nv" };
        let of_nv = 1.0 - of_mel;
        if turned {
            format!("i{image},l{},{label},{predicted},{of_mel},{of_nv}\n", image / 2)
        } else {
            format!("i{image},l{},{label},{predicted},{of_nv},{of_mel}\n", image / 2)
        }
    };
    let rows: Vec<String> = (0..80).map(row).collect();
    if turned {
        format!("id,group,label,predicted,mel,nv\n{}", rows.into_iter().rev().collect::<String>())
    } else {
        format!("id,group,label,predicted,nv,mel\n{}", rows.concat())
    }
}

fn desk() -> Desk {
    let desk = Desk::empty();
    desk.write("a.csv", csv(30, false));
    desk.write("b.csv", csv(10, true));
    desk.write("c.csv", csv(28, false));
    desk
}

#[test]
fn compare_says_what_programs_read() {
    let desk = desk();
    let said = desk.tallow(&["compare", "a.csv", "b.csv", "--json"]).ok().json();
    let number = |key: &str| said[key].as_f64().unwrap_or_else(|| panic!("{key} of {said}"));
    assert!((number("b") - number("a") - number("difference")).abs() < 1e-12);
    assert!(
        number("low") > 0.0 && number("low") < number("difference") && number("difference") < number("high")
    );
    assert!(number("p_permutation") < 0.01 && number("p_mcnemar") < 0.01);
    assert_eq!(
        (&said["name_a"], &said["name_b"], &said["over"]),
        (&"a".into(), &"b".into(), &"groups".into())
    );
    assert_eq!(
        (&said["images"], &said["units"], &said["resamples"]),
        (&80.into(), &40.into(), &10_000.into())
    );
    assert!(said.get("p_delong").is_none() && said["comparisons"][0]["low"] == said["low"]);
    let auroc = desk.tallow(&["compare", "a.csv", "b.csv", "--metric", "auroc", "--json"]).ok().json();
    assert!(auroc["p_delong"].as_f64().unwrap() < 0.05, "{auroc}");
    let margin =
        ["compare", "c.csv", "a.csv", "--metric", "accuracy", "--margin", "0.2", "--json", "--seed", "3"];
    let margin = desk.tallow(&margin).ok().json();
    assert_eq!(margin["non_inferiority"]["non_inferior"], true);
    assert_eq!(margin["non_inferiority"]["bound"], margin["low"]);
}

#[test]
fn several_are_held_against_the_first() {
    let desk = desk();
    let of = ["compare", "a.csv", "b.csv", "c.csv", "--resamples", "500"];
    let with = |option: &str| desk.tallow(&[&of[..], &[option]].concat()).ok();
    let said = with("--json").json();
    let comparisons = said["comparisons"].as_array().unwrap();
    assert_eq!(comparisons.len(), 2);
    assert!(said.get("low").is_none());
    for comparison in comparisons {
        assert!(comparison["p_holm"].as_f64() >= comparison["p_permutation"].as_f64(), "{comparison}");
        assert_eq!(comparison["name_a"], "a");
    }
    let table = desk.tallow(&of).ok().out;
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert!(table.contains("80 images, higher is better") && table.contains("Holm"), "{table}");
    assert!(table.contains("b: only a is right about"), "{table}");
    let markdown = with("--markdown").out;
    assert!(
        markdown.starts_with("| model | macro_f1 | difference | interval | p | Holm |\n|---|---:|"),
        "{markdown}"
    );
    let latex = with("--latex").out;
    assert!(latex.contains("model & macro\\_f1 &") && latex.contains("\\bottomrule"), "{latex}");
    desk.tallow(&[&of[..], &["--html", "page.html"]].concat()).ok();
    let page = desk.read("page.html");
    assert!(page.contains("macro_f1: difference to a") && page.matches("<circle").count() == 2, "{page}");
}

#[test]
fn several_metrics_over_the_same_resamples() {
    let desk = desk();
    let of = |metric: &str, option: &[&str]| {
        let of = ["compare", "a.csv", "b.csv", "c.csv", "--resamples", "300", "--metric", metric];
        desk.tallow(&[&of[..], option].concat()).ok()
    };
    let said = of("auroc,brier,isic2018,recall[mel]", &["--json"]).json();
    let several = said["metrics"].as_array().unwrap();
    assert_eq!(several.len(), 4);
    for (alone, several) in ["auroc", "brier", "balanced_accuracy", "recall[mel]"].iter().zip(several) {
        assert_eq!(of(alone, &["--json"]).json(), *several);
    }
    let table = of("auroc,brier", &[]).out;
    assert!(table.contains("lower is better") && table.matches("DeLong").count() == 2, "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    of("auroc,brier", &["--html", "several.html"]);
    let page = desk.read("several.html");
    assert!(page.contains("auroc: difference to a") && page.contains("brier: difference to a"), "{page}");
}

#[test]
fn several_seeds_of_two_models() {
    let desk = desk();
    let of = ["compare", "--a", "a.csv", "c.csv", "--b", "b.csv", "b.csv", "--resamples", "500"];
    let said = desk.tallow(&[&of[..], &["--json"]].concat()).ok().json();
    assert_eq!(said["runs_a"].as_array().unwrap().len(), 2);
    assert!(said["sd_a"].as_f64().unwrap() > 0.0 && said["p_mcnemar"].is_null());
    assert_eq!(said["paired_seeds"], false); // CSVs tell no seed
    let table = desk.tallow(&of).ok().out;
    assert!(
        table.contains("a and 1 more") && table.contains('±') && table.contains("and the runs"),
        "{table}"
    );
}

#[test]
fn runs_folders_hold_their_predictions() {
    let (desk, said) = trained();
    let same = desk.tallow(&["compare", "run", "run/best", "--json", "--resamples", "50"]).ok().json();
    assert_eq!((&same["difference"], &same["p_permutation"]), (&0.0.into(), &1.0.into()));
    assert_eq!(same["a"], said["validation"]["macro_f1"]);
    assert!(same["models"][0]["seeds"][0].is_u64(), "{same}");
    let evaluated =
        desk.tallow(&["compare", "run", "run/last", "--split", "validation", "--json", "--resamples", "50"]);
    let evaluated = evaluated.ok().json();
    assert_eq!(
        (&evaluated["a"], &evaluated["b"]),
        (&said["validation"]["macro_f1"], &said["last"]["macro_f1"])
    );
    desk.tallow(&["compare", "run", "run/last"])
        .complains(2, &["run/last: the predictions beside it are those of `best`"]);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let desk = desk();
    desk.tallow(&["compare", "a.csv"]).complains(2, &["a.csv: expected at least two models, got one"]);
    desk.tallow(&["compare", "a.csv", "nowhere"]).complains(2, &["nowhere: is not there"]);
    desk.tallow(&["compare", "a.csv", "b.csv", "--metric", "f1"])
        .complains(2, &["--metric: `f1` is no metric", "macro_f1"]);
    desk.tallow(&["compare", "a.csv", "b.csv", "--metric", "isic2020"])
        .complains(2, &["--metric: isic2020: expected a class malignant, got nv, mel"]);
    desk.tallow(&["compare", "a.csv", "b.csv", "--level", "95"])
        .complains(2, &["--level: expected", "got 95"]);
    desk.tallow(&["compare", "a.csv", "b.csv", "--margin=-1"])
        .complains(2, &["--margin: expected a positive"]);
    desk.tallow(&["compare", "a.csv", "b.csv", "--split", "test"]).complains(2, &["a.csv: is a CSV"]);
    desk.tallow(&["compare", "a.csv", "b.csv", "--html", "no/where.html"])
        .complains(2, &["--html no/where.html"]);
    let other = csv(10, false).replace("\ni7,", "\nother,");
    desk.write("other.csv", &other);
    desk.tallow(&["compare", "a.csv", "other.csv"])
        .complains(3, &["a and other:", "only in the first: `i7`, only in the second: `other`"]);
}
