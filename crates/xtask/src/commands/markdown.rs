//! Markdown, as GitHub renders it.

/// Formats a table. Cells are escaped, so a `|` in a cell does not end it.
pub(super) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let line =
        |cells: &[String; N]| format!("| {} |\n", cells.each_ref().map(|cell| escape(cell)).join(" | "));
    let header = line(&header.map(str::to_owned)) + &format!("|{}\n", "---|".repeat(N));
    header + &rows.iter().map(line).collect::<String>()
}

/// Formats a block of text that keeps its lines.
pub(super) fn block(language: &str, text: &str) -> String {
    format!("```{language}\n{}\n```\n", text.trim_end())
}

/// Formats literal text.
pub(super) fn code(text: &str) -> String {
    format!("`{text}`")
}

/// Marks the flags, names with underscores, file names and quoted values of a help text as literal.
pub(super) fn prose(text: &str) -> String {
    text.split(' ').map(literal).collect::<Vec<_>>().join(" ")
}

/// Marks a word as literal if it is one, without the punctuation around it.
fn literal(word: &str) -> String {
    let core = word.trim_start_matches('(').trim_end_matches(['.', ',', ';', ':', ')']);
    let is_flag =
        core.strip_prefix('-').is_some_and(|name| name.starts_with(|c: char| c == '-' || c.is_alphabetic()));
    let is_name = core.contains('_');
    let is_file = core.starts_with("FILE.");
    let is_quoted = core.len() > 2 && core.starts_with('\'') && core.ends_with('\'');
    if !(is_flag || is_name || is_file || is_quoted) {
        return word.to_owned();
    }
    word.replacen(core, &code(core.trim_matches('\'')), 1)
}

/// Escapes what would end a cell of a table or begin a tag.
fn escape(cell: &str) -> String {
    cell.replace('|', "\\|").replace('<', "&lt;").replace("&lt;br>", "<br>").replace('\n', " ")
}

/// Formats a link to a heading of the same document.
pub(super) fn link(heading: &str) -> String {
    format!("[{heading}](#{})", anchor(heading))
}

/// Returns the anchor that GitHub gives a heading of letters, blanks, dots and slashes.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_variables_files_and_quoted_values_are_literal() {
        for (help, expected) in [
            ("exactly --length characters", "exactly `--length` characters"),
            ("(-v: progress, -vv: every retry)", "(`-v`: progress, `-vv`: every retry)"),
            ("port 4566 or STENTOR_PORT; no AWS", "port 4566 or `STENTOR_PORT`; no AWS"),
            ("such as 'failed_rate>0.2'.", "such as `failed_rate>0.2`."),
            ("such as write_units=1 (once)", "such as `write_units=1` (once)"),
            ("FILE.html for a page", "`FILE.html` for a page"),
            ("total - sent", "total - sent"),
        ] {
            assert_eq!(prose(help), expected);
        }
    }

    #[test]
    fn a_cell_keeps_its_text() {
        let rows = [["a|b".to_owned(), "<RUN><br>x\ny".to_owned()]];
        assert_eq!(table(["one", "two"], &rows), "| one | two |\n|---|---|\n| a\\|b | &lt;RUN><br>x y |\n");
    }

    #[test]
    fn a_heading_is_linked_by_its_anchor() {
        assert_eq!(link("infra/setup.sh"), "[infra/setup.sh](#infrasetupsh)");
        assert_eq!(link("Exit statuses"), "[Exit statuses](#exit-statuses)");
    }
}
