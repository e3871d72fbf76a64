//! `owner/name[@revision]`: what a recipe says after `hub:`.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A model repository of the hub at a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub owner: String,
    pub name: String,
    /// Branch, tag or commit; `None` is `main`.
    pub revision: Option<String>,
}

impl Reference {
    /// `owner/name`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)?;
        self.revision.as_ref().map_or(Ok(()), |revision| write!(f, "@{revision}"))
    }
}

impl FromStr for Reference {
    type Err = Error;

    /// Owner and name are the hub's: letters, digits, `.`, `_`, `-`. None can leave the cache folder.
    fn from_str(text: &str) -> Result<Reference, Error> {
        let wrong =
            |problem: &str| Error::Reference { reference: text.to_owned(), problem: problem.to_owned() };
        let (repository, revision) = match text.split_once('@') {
            Some((repository, revision)) => (repository, Some(revision)),
            None => (text, None),
        };
        let (owner, name) = repository.split_once('/').ok_or_else(|| wrong("no owner"))?;
        for part in [owner, name] {
            let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if part.is_empty()
                || part.starts_with(['.', '-'])
                || part.contains("..")
                || !part.chars().all(fits)
            {
                return Err(wrong(&format!("`{part}` is no name of the hub")));
            }
        }
        if revision.is_some_and(|revision| !is_inside(revision)) {
            return Err(wrong("what follows @ is no revision"));
        }
        Ok(Reference {
            owner: owner.to_owned(),
            name: name.to_owned(),
            revision: revision.map(str::to_owned),
        })
    }
}

/// Whether a path of a repository stays below the folder it is joined to.
pub(crate) fn is_inside(path: &str) -> bool {
    !path.contains(['\\', '\0', ':']) && path.split('/').all(|part| !["", ".", ".."].contains(&part))
}

#[cfg(test)]
mod tests {
    use super::{Reference, is_inside};

    #[test]
    fn with_and_without_revision() {
        for text in ["timm/resnet50.tv_in1k", "timm/resnet50.tv_in1k@v1.0", "a/b@refs/pr/3"] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        let reference: Reference = "a/b@refs/pr/3".parse().unwrap();
        assert_eq!(
            (reference.repository().as_str(), reference.revision.as_deref()),
            ("a/b", Some("refs/pr/3"))
        );
    }

    #[test]
    fn what_is_none() {
        for (text, problem) in [
            ("resnet50", "no owner"),
            ("", "no owner"),
            ("/x", "`` is no name of the hub"),
            ("a/", "`` is no name of the hub"),
            ("a/b/c", "`b/c` is no name of the hub"),
            ("../x", "`..` is no name of the hub"),
            ("a/b c", "`b c` is no name of the hub"),
            ("a/b@", "what follows @ is no revision"),
            ("a/b@../../x", "what follows @ is no revision"),
        ] {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "`{text}`: {problem}; expected owner/name or owner/name@revision, as timm/resnet50.tv_in1k"
                )
            );
        }
        assert!(is_inside("onnx/model.safetensors") && !is_inside("/etc/passwd") && !is_inside("a/../../b"));
    }
}
