//! What a sweep varies: keys with several values, as a command line writes them, and the names of their folders.

use serde_yaml::Value;

/// A key of the recipe, and the values that it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub key: String,
    /// Each as YAML.
    pub values: Vec<String>,
}

impl Axis {
    /// `key=a,b,c`, cut at the commas that are within no bracket and no quotes; `None` of one value.
    ///
    /// # Errors
    /// A value that is empty or there twice; a key that a sweep has an option for.
    pub fn of(text: &str) -> Result<Option<Axis>, String> {
        let Some((key, value)) = text.split_once('=') else { return Ok(None) };
        let values = split(value);
        let [_, _, ..] = values[..] else { return Ok(None) };
        for (keys, option) in [
            (&["seed", "seeds"][..], "--seeds"),
            (&["data.split.folds", "data.split.fold", "folds"], "--folds"),
        ] {
            if keys.contains(&key) {
                return Err(format!("`{text}`: {key} is varied by {option}; write {option} in its place"));
            }
        }
        if values.iter().any(|value| value.is_empty()) {
            return Err(format!(
                "`{text}`: expected a value on each side of a comma; quote one that has commas in it"
            ));
        }
        // What is no YAML is told, with its place, where it is planned.
        let parsed: Vec<Option<Value>> =
            values.iter().map(|value| serde_yaml::from_str(value).ok()).collect();
        let is_twice = |&at: &usize| parsed[at].is_some() && parsed[..at].contains(&parsed[at]);
        if let Some(twice) = (1..values.len()).find(is_twice) {
            return Err(format!("`{text}`: {} is there twice; leave one out", values[twice]));
        }
        Ok(Some(Axis { key: key.to_owned(), values: values.into_iter().map(str::to_owned).collect() }))
    }
}

/// A list in YAML's flow style without its brackets, cut at its commas: those in brackets, braces or quotes are part of a value.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    let mut quote: Option<char> = None;
    // The last character but blanks: a quotation mark opens a text only where a value begins.
    let mut before = ',';
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match (quote, letter) {
            (Some('"'), '\\') => _ = letters.next(),
            (Some('\''), '\'') if letters.next_if(|(_, next)| *next == '\'').is_some() => {}
            (Some(open), letter) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') if "[{,:".contains(before) => quote = Some(letter),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(text[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
        if !letter.is_whitespace() {
            before = letter;
        }
    }
    parts.push(text[begin..].trim());
    parts
}

/// The folder of a value: `policy=mixup`. What a shell or a file system could read otherwise becomes `_`, and a mark of the whole
/// value tells apart what looks the same then; a space alone needs none.
pub fn folder(key: &str, value: &str) -> String {
    const LONGEST: usize = 48;
    let is_plain = |letter: char| letter.is_alphanumeric() || "._-+".contains(letter);
    let mut name = String::new();
    for letter in value.chars().map(|letter| if is_plain(letter) { letter } else { '_' }) {
        if letter != '_' || !name.ends_with('_') {
            name.push(letter);
        }
    }
    let short: String = name.trim_matches('_').chars().take(LONGEST).collect();
    let is_told_apart = value.chars().all(|letter| is_plain(letter) || letter == '_' || letter == ' ');
    let mark = if is_told_apart && short.chars().count() == value.trim().chars().count() {
        String::new()
    } else {
        // Its end: the first digits do not move with the last letters.
        format!("-{}", &tallow_data::fingerprint(value.as_bytes())[26..])
    };
    let key: String =
        key.chars().filter(|letter| *letter != ']').map(|l| if l == '[' { '.' } else { l }).collect();
    format!("{key}={short}{mark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_at_commas_outside_of_brackets_and_quotes() {
        let cut = |text: &str| split(text).into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(cut("none,mixup, cutmix "), ["none", "mixup", "cutmix"]);
        assert_eq!(cut("[a, b],{ c: [1, 2], d: 3 },e"), ["[a, b]", "{ c: [1, 2], d: 3 }", "e"]);
        assert_eq!(cut("'a,b',\"c\\\",d\",'it''s, e'"), ["'a,b'", "\"c\\\",d\"", "'it''s, e'"]);
        assert_eq!(cut("{ path: '(a{1,2}),' },x"), ["{ path: '(a{1,2}),' }", "x"]);
        // Within a word it is an apostrophe.
        assert_eq!(cut("it's,that's"), ["it's", "that's"]);
        assert_eq!(
            (cut("a"), cut(""), cut("a,")),
            (vec!["a".into()], vec!["".into()], vec!["a".into(), "".into()])
        );
    }

    #[test]
    fn an_axis_has_two_values_or_more() {
        let axis = |text: &str| Axis::of(text).unwrap();
        let values = ["{ step: { lr: 0.1, every: 3 epochs } }", "null"].map(str::to_owned).to_vec();
        let found = axis("schedule={ step: { lr: 0.1, every: 3 epochs } },null");
        assert_eq!(found, Some(Axis { key: "schedule".into(), values }));
        for single in ["policy=mixup", "images=[{ flip: {} }, { crop: {} }]", "select='a,b'", "no override"] {
            assert_eq!(axis(single), None, "{single}");
        }
        let error = |text: &str| Axis::of(text).unwrap_err();
        assert!(error("clip=1.0,1.00").contains("1.00 is there twice"));
        assert!(error("clip=1.0,,2").contains("on each side of a comma"));
        assert!(error("seed=1,2").contains("write --seeds"));
        assert!(error("data.split.fold=0,1").contains("write --folds"));
    }

    #[test]
    fn folders_are_readable_and_told_apart() {
        assert_eq!(folder("policy", "mixup"), "policy=mixup");
        assert_eq!(folder("schedule.cosine.lr", "1e-3"), "schedule.cosine.lr=1e-3");
        assert_eq!(folder("length", "10 epochs"), "length=10_epochs");
        assert_eq!(folder("branches[0].weight", "0.5"), "branches.0.weight=0.5");
        let (list, map) =
            (folder("model.freeze", "[stem, stage1]"), folder("model.freeze", "{stem, stage1}"));
        assert!(list.starts_with("model.freeze=stem_stage1-") && list.len() == 31, "{list}");
        assert_ne!(list, map);
        let long = |end: &str| folder("data.root", &format!("{}{end}", "images_of_a_long_name_".repeat(3)));
        assert_ne!(long("a"), long("b"));
        assert!(long("a").len() < 70 && !folder("x", "../a/b").contains('/'));
    }
}
