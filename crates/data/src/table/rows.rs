//! The rows of a table, without a text of its own for each.

use crate::texts::Texts;

/// What is known of an image without decoding it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub id: String,
    pub label: u32,
    pub group: Option<String>,
}

/// Rows in their order.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    ids: Texts,
    labels: Vec<u32>,
    /// Empty where there is none.
    groups: Texts,
    has_group: Vec<bool>,
}

impl Rows {
    pub fn push(&mut self, id: &str, label: u32, group: Option<&str>) {
        self.ids.push(id);
        self.labels.push(label);
        self.groups.push(group.unwrap_or_default());
        self.has_group.push(group.is_some());
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    pub fn id(&self, index: usize) -> &str {
        self.ids.get(index)
    }

    pub fn label(&self, index: usize) -> u32 {
        self.labels[index]
    }

    pub fn group(&self, index: usize) -> Option<&str> {
        self.has_group[index].then(|| self.groups.get(index))
    }
}

impl FromIterator<Row> for Rows {
    fn from_iter<I: IntoIterator<Item = Row>>(given: I) -> Rows {
        let mut rows = Rows::default();
        given.into_iter().for_each(|row| rows.push(&row.id, row.label, row.group.as_deref()));
        rows
    }
}

impl From<Vec<Row>> for Rows {
    fn from(rows: Vec<Row>) -> Rows {
        rows.into_iter().collect()
    }
}
