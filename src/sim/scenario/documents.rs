//! Splits a file into YAML documents, and remembers on which line everything stands.

use std::{fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::Error;

/// Where something stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: Arc<str>,
    /// The document in it, from 1.
    pub document: usize,
    /// The line in the file, from 1.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, document, line } = self;
        write!(f, "{file}, line {line} (document {document})")
    }
}

/// One document of a file, read as JSON.
#[derive(Clone, Debug)]
pub struct Document {
    /// Where its first line is.
    pub place: Place,
    /// Its content.
    pub value: Value,
    /// Its text, after as many empty lines as stand before it in the file.
    text: String,
    tree: Node,
}

impl Document {
    /// The documents of `text`; those with nothing but comments are left out.
    ///
    /// # Errors
    /// One of them is not YAML, or not a mapping.
    pub fn split(file: &str, text: &str) -> Result<Vec<Self>, Error> {
        let file: Arc<str> = file.into();
        let mut documents = Vec::new();
        for (line, body) in pieces(text) {
            let place = Place { file: file.clone(), document: documents.len() + 1, line };
            documents.extend(Self::read(place, body)?);
        }
        Ok(documents)
    }

    fn read(mut place: Place, body: &str) -> Result<Option<Self>, Error> {
        let content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let Some(first) = body.lines().position(content) else { return Ok(None) };
        let text = "\n".repeat(usize::try_from(place.line - 1).unwrap_or(0)) + body;
        place.line += first as u64;
        let tree: Node = parse(&place, &text)?;
        let value: Value = parse(&place, &text)?;
        if !value.is_object() {
            let problem = "a document must be a manifest: a mapping with `apiVersion` and `kind`".to_owned();
            return Err(Error::Invalid { place, problem });
        }
        Ok(Some(Self { place, value, text, tree }))
    }

    /// Reads the document as a `T`.
    ///
    /// # Errors
    /// A field is unknown, is missing or has a bad value; the place is that of the field.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        parse(&self.place, &self.text)
    }

    /// Where the field at `path` stands, or as much of the path as there is.
    pub fn place_of(&self, path: &[&str]) -> Place {
        let mut node = &self.tree;
        let mut line = self.place.line;
        for step in path {
            let Some(next) = node.children.iter().find(|child| child.key == *step) else { break };
            line = next.line;
            node = &next.node;
        }
        Place { line, ..self.place.clone() }
    }

    /// The text at `path` of keys.
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        path.iter().try_fold(&self.value, |value, key| value.get(key))?.as_str()
    }

    /// What people call the object: `Deployment shop/web`.
    pub fn object(&self) -> String {
        let kind = self.text_at(&["kind"]).unwrap_or("object");
        let name = self.text_at(&["metadata", "name"]).unwrap_or("without a name");
        match self.text_at(&["metadata", "namespace"]) {
            Some(namespace) => format!("{kind} {namespace}/{name}"),
            None => format!("{kind} {name}"),
        }
    }
}

/// Each document's first line (from 1) and text. A `---` at the start of a line always separates: YAML allows it
/// nowhere else.
fn pieces(text: &str) -> Vec<(u64, &str)> {
    let mut pieces = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 1, 0);
    for (index, line) in (1_u64..).zip(text.split_inclusive('\n')) {
        if line.starts_with("---") && line[3..].chars().next().is_none_or(char::is_whitespace) {
            pieces.push((start_line, &text[start..offset]));
            (start, start_line) = (offset + 3, index);
        }
        offset += line.len();
    }
    pieces.push((start_line, &text[start..]));
    pieces
}

fn parse<T: DeserializeOwned>(place: &Place, text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text).map_err(|error| {
        let plain = error.without_snippet();
        let line = plain.location().map_or(place.line, |location| location.line());
        let column = plain.location().map_or(1, |location| location.column());
        let text = plain.to_string();
        // The place is said by `Error`, once.
        let problem = curable(text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem));
        Error::Malformed { place: Place { line, ..place.clone() }, column, problem }
    })
}

/// What the YAML reader says, and what to do where it does not say that.
fn curable(problem: &str) -> String {
    let cures = [
        ("unknown field", "correct its name or its place, or leave it out"),
        ("duplicate", "keep one of the two"),
        ("non-finite float", "write a number"),
        ("missing field", "add it"),
        ("unknown variant", "write one that there is"),
    ];
    match cures.iter().find(|(fault, _)| problem.contains(fault)) {
        Some((_, cure)) => format!("{problem}; {cure}"),
        None => problem.to_owned(),
    }
}

/// A YAML node with the lines of all that is below it.
#[derive(Clone, Debug, Default)]
struct Node {
    children: Vec<Child>,
}

#[derive(Clone, Debug)]
struct Child {
    key: String,
    line: u64,
    node: Node,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

/// What the visitor does with every scalar: a leaf is a place and nothing more.
macro_rules! leaves {
    ($($visit:ident($type:ty)),*) => {
        $(fn $visit<E>(self, _: $type) -> Result<Node, E> {
            Ok(Node::default())
        })*
    };
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    leaves!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_i128(i128), visit_u128(u128), visit_f64(f64));
    leaves!(visit_str(&str));

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::default())
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut children = Vec::new();
        while let Some(Spanned { value: node, referenced, .. }) = items.next_element::<Spanned<Node>>()? {
            children.push(Child { key: children.len().to_string(), line: referenced.line(), node });
        }
        Ok(Node { children })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut children = Vec::new();
        while let Some(Spanned { value: key, referenced, .. }) = fields.next_key::<Spanned<String>>()? {
            if key.is_empty() {
                return Err(A::Error::custom("a key must not be empty"));
            }
            children.push(Child { key, line: referenced.line(), node: fields.next_value()? });
        }
        Ok(Node { children })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# a comment\n---\nkind: A\nspec:\n  loads:\n  - name: x\n    deep: {er: 1}\n  -\n    name: y\n--- # more\n---\nkind: B\nmetadata:\n  name: b\n";

    #[test]
    fn documents_are_numbered_and_lines_counted_from_the_top_of_the_file() {
        let documents = Document::split("f.yaml", FILE).unwrap();
        let places: Vec<_> = documents.iter().map(|document| document.place.to_string()).collect();
        assert_eq!(places, ["f.yaml, line 3 (document 1)", "f.yaml, line 12 (document 2)"]);
        assert_eq!(documents[1].object(), "B b");
    }

    #[test]
    fn every_field_knows_its_line() {
        let document = &Document::split("f.yaml", FILE).unwrap()[0];
        let line = |path: &[&str]| document.place_of(path).line;
        assert_eq!(line(&["spec"]), 4);
        assert_eq!(line(&["spec", "loads", "0", "deep", "er"]), 7);
        assert_eq!(line(&["spec", "loads", "1", "name"]), 9);
        assert_eq!(line(&["spec", "loads", "0", "absent"]), 6, "the nearest that there is");
    }

    #[test]
    fn broken_yaml_names_its_line_once() {
        let error = Document::split("f.yaml", "kind: A\n---\nkind: B\nspec: [1,\n").unwrap_err().to_string();
        assert!(error.starts_with("f.yaml, line ") && error.contains("(document 2)"), "{error}");
        assert_eq!(error.matches("line").count(), 1, "{error}");
        let error = Document::split("f.yaml", "kind: A\n---\n- a\n").unwrap_err().to_string();
        assert!(error.contains("line 3 (document 2)") && error.contains("must be a manifest"), "{error}");
    }

    #[test]
    fn duplicate_keys_are_refused() {
        let error = Document::split("f.yaml", "kind: A\nkind: B\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("duplicate"), "{error}");
        assert!(error.ends_with("; keep one of the two"), "{error}");
    }
}
