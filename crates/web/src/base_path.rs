//! The path below which the page is served: the argument of `monitor serve --base-path`.

use std::fmt;
use std::str::FromStr;

/// A path without a slash at its end, such as `/stentor`; empty where the page is at the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl FromStr for BasePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_segment = |segment: &str| {
            !["", ".", ".."].contains(&segment)
                && segment.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c))
        };
        match text.strip_suffix('/').unwrap_or(text) {
            "" if text == "/" => Ok(Self::default()),
            path if path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment)) => {
                Ok(Self(path.to_owned()))
            }
            _ => Err("expected a path of letters, digits and -._~, such as /stentor".to_owned()),
        }
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_no_slash_at_its_end() {
        for (text, path) in [("/", ""), ("/stentor", "/stentor"), ("/a/b.c/", "/a/b.c")] {
            assert_eq!(text.parse::<BasePath>().unwrap().to_string(), path);
        }
    }

    #[test]
    fn what_is_not_a_plain_path_is_refused() {
        for text in
            ["", "stentor", "//", "/a//b", "/a//", "/a/../b", "/.", "/{a}", "/a b", "/a?b", "http://a/b"]
        {
            assert!(text.parse::<BasePath>().unwrap_err().contains("/stentor"), "{text}");
        }
    }
}
