//! Words of messages: which known name was meant by one that is not known; numbers with their nouns.

/// `1 image`, `2 images`: a number and its noun, which is given in the singular.
pub fn counted(count: impl std::fmt::Display, noun: &str) -> String {
    let count = count.to_string();
    let noun = if count == "1" { noun.to_owned() } else { plural(noun) };
    format!("{count} {noun}")
}

/// The regular plural: `classes`, `copies`, `images`; and `epochs`, whose ch is a k.
fn plural(noun: &str) -> String {
    let vowel = |letter: char| "aeiou".contains(letter);
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(vowel) => format!("{stem}ies"),
        _ if noun == "epoch" => "epochs".to_owned(),
        _ if ["s", "x", "ch", "sh"].iter().any(|end| noun.ends_with(end)) => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

/// ``; did you mean `x`? known: a, b``, the first part only where a known name is near. Empty if nothing is known.
pub fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let list = known.join(", ");
    match nearest(name, known) {
        Some(near) => format!("; did you mean `{near}`? known: {list}"),
        None if list.is_empty() => String::new(),
        None => format!("; known: {list}"),
    }
}

/// The same of a kind whose names are too many for a line: ``; did you mean `x`? known: those of `tallow list models` ``.
pub fn listed<'a>(kind: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = nearest(name, known).map_or(String::new(), |near| format!(" did you mean `{near}`?"));
    format!(";{near} known: those of `tallow list {kind}`")
}

/// The known name that was probably meant, whatever its case; the first of equals.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (name, known) = (name.to_lowercase(), known.into_iter().map(|known| (known.to_lowercase(), known)));
    let known: Vec<(String, &str)> = known.collect();
    // `AdamW` is `adamw`, not `adam`.
    if let Some((_, same)) = known.iter().find(|(known, _)| *known == name) {
        return Some(same);
    }
    // One slip of the fingers first: `resnet21` is `resnet20`, not `resnet152`.
    if name.len() > 2
        && let Some((_, slip)) = known.iter().find(|(known, _)| strsim::osa_distance(&name, known) <= 1)
    {
        return Some(slip);
    }
    // 0.75 takes `prob` for `p` and `cutmix_zeta` for `cutmix_zeta_mixup`; words with a common beginning alone, such as
    // `patient` and `path`, differ in half of their letters or more.
    let is_akin = |known: &str| {
        let longer = name.chars().count().max(known.chars().count());
        name.starts_with(known) || known.starts_with(&name) || 2 * strsim::osa_distance(&name, known) < longer
    };
    let akin = known.iter().filter(|(known, _)| is_akin(known));
    let scores = akin.map(|(known, shown)| (strsim::jaro_winkler(&name, known), *shown));
    scores
        .filter(|(score, _)| *score >= 0.75)
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, near)| near)
}

/// Words of other tools, and what to write in their place.
pub type Elsewhere = [(&'static [&'static str], &'static str)];

/// What to write in the place of another tool's word, whatever its case and its underscores.
pub fn elsewhere(word: &str, table: &Elsewhere) -> Option<&'static str> {
    let plain = |word: &str| word.to_lowercase().replace(['_', '-', ' '], "");
    let word = plain(word);
    table.iter().find(|(words, _)| words.iter().any(|known| plain(known) == word)).map(|(_, ours)| *ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        let said = [counted(1, "image"), counted(0, "image"), counted(1_u64, "class"), counted(2, "class")];
        assert_eq!(said, ["1 image", "0 images", "1 class", "2 classes"]);
        assert_eq!(
            [counted(3, "batch"), counted(2, "entry"), counted(2, "key")],
            ["3 batches", "2 entries", "2 keys"]
        );
    }

    #[test]
    fn a_name_in_another_case_is_that_name() {
        assert_eq!(nearest("AdamW", ["sgd", "adam", "adamw"]), Some("adamw"));
    }

    #[test]
    fn words_of_others_are_found_in_any_spelling() {
        let table: &Elsewhere = &[(&["horizontal_flip", "hflip"], "flip")];
        for word in ["horizontal_flip", "HorizontalFlip", "hflip", "HFlip"] {
            assert_eq!(elsewhere(word, table), Some("flip"), "{word}");
        }
        assert_eq!(elsewhere("flip", table), None);
    }

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["isic2018", "folder"];
        assert_eq!(suggestion("isic2081", known), "; did you mean `isic2018`? known: isic2018, folder");
        assert_eq!(suggestion("zebra", known), "; known: isic2018, folder");
        assert_eq!(suggestion("patient", ["path", "label"]), "; known: path, label");
        assert_eq!(suggestion("zebra", []), "");
        let kind = "known: those of `tallow list datasets`";
        assert_eq!(listed("datasets", "foldr", known), format!("; did you mean `folder`? {kind}"));
        assert_eq!(listed("datasets", "zebra", known), format!("; {kind}"));
        let models = ["resnet18", "resnet152", "resnet20"];
        for (name, near) in [("resnet21", "resnet20"), ("ResNet-18", "resnet18"), ("resnt152", "resnet152")] {
            assert_eq!(nearest(name, models), Some(near));
        }
    }
}
