//! Names and links in the documents lead somewhere, and the book has every chapter.

use std::path::{Component, Path, PathBuf};

use regex::Regex;

use crate::lists::assert_same;
use crate::markdown::{anchors, links};
use crate::tree::{File, documents, file, quoted, root, sources};

/// The table of contents of the book.
const SUMMARY: &str = "docs/SUMMARY.md";

/// A path from the workspace's root without `..`, or nothing if it leads out of the workspace.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir if !normal.pop() => return None,
            _ => {}
        }
    }
    Some(normal)
}

/// Why a link of `document` leads nowhere, if it does.
fn broken(document: &File, link: &str) -> Option<String> {
    let (path, anchor) = match link.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (link, None),
    };
    let folder = Path::new(&document.path).parent().expect("a file lies in a folder");
    let target = if path.is_empty() { document.path.clone().into() } else { folder.join(path) };
    let Some(target) = normal(&target) else {
        return Some("leads out of the workspace".to_owned());
    };
    if !root().join(&target).exists() {
        return Some("there is no such file".to_owned());
    }
    let in_book = |path: &Path| path.starts_with("docs");
    if in_book(Path::new(&document.path)) && !in_book(&target) {
        return Some("leads out of the book".to_owned());
    }
    let anchor = anchor?;
    let text = file(target.to_str().expect("a name in UTF-8")).text;
    (!anchors(&text).contains(anchor)).then(|| "there is no such heading".to_owned())
}

#[test]
fn links_lead_somewhere() {
    let (mut followed, mut faults) = (0, Vec::new());
    for document in documents() {
        for link in links(&document.text) {
            if link.contains("://") {
                continue;
            }
            followed += 1;
            if let Some(fault) = broken(&document, &link) {
                faults.push(format!("{}: {link}: {fault}", document.path));
            }
        }
    }
    assert!(followed > 40, "only {followed} links were found");
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The chapters of the book.
fn chapters() -> Vec<String> {
    let paths = documents().into_iter().map(|document| document.path);
    paths.filter(|path| path.starts_with("docs/") && path != SUMMARY).collect()
}

#[test]
fn the_readme_leads_to_every_chapter() {
    let links = links(&file("README.md").text);
    for chapter in chapters() {
        assert!(links.contains(&chapter), "{chapter}");
    }
}

#[test]
fn the_book_has_every_chapter() {
    let links = links(&file(SUMMARY).text);
    assert_same("chapters", links.iter().map(|link| format!("docs/{link}")).collect(), chapters());
}

#[test]
fn sources_that_documents_name_exist() {
    let paths: Vec<_> = sources().into_iter().map(|file| file.path).collect();
    let is_source = Regex::new(r"^[\w/.*-]+\.rs$").expect("it is well-formed");
    let mut names = 0;
    for document in documents() {
        for name in quoted(&document.text).filter(|name| is_source.is_match(name)) {
            names += 1;
            let end = format!("/{name}");
            let exists = paths.iter().any(|path| path == name || path.ends_with(&end));
            assert!(exists, "{}: `{name}`", document.path);
        }
    }
    assert!(names > 30, "only {names} names were found");
}
