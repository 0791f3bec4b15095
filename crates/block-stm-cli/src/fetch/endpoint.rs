//! A node's URL, and what of it may be shown: scheme, host and port. A key may be anywhere else.

use std::fmt;

use ureq::http::Uri;

/// Shorter parts of a URL, `v3` say, are no secret, and occur in answers by chance.
const SHORTEST_SECRET: usize = 6;

/// Where a node answers.
pub(super) struct Endpoint {
    url: String,
    shown: String,
    /// Parts of the URL that no message may hold, the longest ones first.
    secrets: Vec<String>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Endpoint {
    /// The endpoint at `url`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words that do not quote it.
    pub(super) fn new(url: &str) -> Result<Self, &'static str> {
        let uri: Uri = url.trim().parse().map_err(|_| "it is not a URL")?;
        let scheme = match uri.scheme_str() {
            Some(scheme @ ("http" | "https")) => scheme,
            Some("ws" | "wss") => return Err("WebSockets are not spoken: use http or https"),
            _ => return Err("it must start with http:// or https://"),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or("it has no host")?;
        let port = uri.port_u16().map_or_else(String::new, |port| format!(":{port}"));
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let parts = path.split(['/', '?', '&', '=']).chain(user.split(':')).chain([path, user]);
        let mut secrets: Vec<_> = parts
            .filter(|part| part.len() >= SHORTEST_SECRET)
            .chain([url.trim()].into_iter().filter(|_| path != "/" || !user.is_empty()))
            .map(str::to_owned)
            .collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Ok(Self { url: url.trim().to_owned(), shown: format!("{scheme}://{host}{port}"), secrets })
    }

    /// All of it, for requests alone.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// `text` of others without what may be a key.
    pub(super) fn scrubbed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret, "***");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_host_is_shown() {
        for url in [
            "https://node.example/v3/0123456789abcdef",
            "https://node.example?key=0123456789abcdef",
            "https://user:0123456789abcdef@node.example/",
            " https://0123456789abcdef@node.example ",
        ] {
            let endpoint = Endpoint::new(url).expect(url);
            assert_eq!(endpoint.to_string(), "https://node.example", "{url}");
            assert_eq!(format!("{endpoint:?}"), "https://node.example", "{url}");
            assert_eq!(endpoint.url(), url.trim());
            for text in [url, "no key 0123456789abcdef here"] {
                let scrubbed = endpoint.scrubbed(text);
                assert!(!scrubbed.contains("0123456789abcdef"), "{url}: {scrubbed}");
            }
        }
        let local = Endpoint::new("http://127.0.0.1:8545").expect("a URL");
        assert_eq!(local.to_string(), "http://127.0.0.1:8545");
        assert_eq!(local.scrubbed("as it is at http://127.0.0.1"), "as it is at http://127.0.0.1");
    }

    #[test]
    fn what_is_no_node_is_refused_without_being_quoted() {
        for url in ["", "secret", "ws://a/secret", "ftp://a/secret", "http://", "http://a b/secret"]
        {
            let error = Endpoint::new(url).expect_err(url);
            assert!(!error.contains("secret"), "{url}: {error}");
        }
    }
}
