//! Links and anchors of a Markdown text.

use std::collections::BTreeSet;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

fn events(text: &str) -> impl Iterator<Item = Event<'_>> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH)
}

/// Where the links and images lead, in the order of the text.
pub(crate) fn links(text: &str) -> Vec<String> {
    let target = |event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    };
    events(text).filter_map(target).collect()
}

/// The anchors of the headings, as mdbook and GitHub make them.
pub(crate) fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut heading = None;
    for event in events(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let base = anchor(&heading.take().expect("the heading has begun"));
                let numbered = (1..).map(|n| format!("{base}-{n}"));
                let mut names = std::iter::once(base.clone()).chain(numbered);
                let free = names.find(|name| !anchors.contains(name));
                anchors.insert(free.expect("numbers do not end"));
            }
            _ => {}
        }
    }
    anchors
}

fn anchor(heading: &str) -> String {
    let kept = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    };
    heading.chars().filter_map(kept).collect()
}

#[test]
fn links_and_anchors_are_read_as_they_are_rendered() {
    let text =
        "# What `t8n` isn't\n[a](b.md#c) `[no](link)`\n\n[d]\n\n# Same\n# Same\n\n[d]: e.md\n";
    assert_eq!(links(text), ["b.md#c", "e.md"]);
    let anchors: Vec<_> = anchors(text).into_iter().collect();
    assert_eq!(anchors, ["same", "same-1", "what-t8n-isnt"]);
}
