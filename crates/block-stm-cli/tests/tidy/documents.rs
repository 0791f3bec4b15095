//! Names and links in the documents lead somewhere.

use std::path::Path;

use regex::Regex;

use crate::tree::{documents, file, quoted, root, sources};

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)#\s]+)(#[^)]*)?\)").expect("it is well-formed");
    let mut links = 0;
    for document in documents() {
        let folder = Path::new(&document.path).parent().expect("a file lies in a folder");
        for found in link.captures_iter(&document.text) {
            if found[1].contains("://") {
                continue;
            }
            links += 1;
            let target = root().join(folder).join(&found[1]);
            assert!(target.exists(), "{}: {}", document.path, &found[1]);
        }
    }
    assert!(links > 20, "only {links} links were found");
}

#[test]
fn the_readme_leads_to_every_chapter() {
    let readme = file("README.md").text;
    for document in documents().iter().filter(|document| document.path.starts_with("docs/")) {
        assert!(readme.contains(&format!("({})", document.path)), "{}", document.path);
    }
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
