//! A man page, in the order in which one reads.

use std::fmt::Write as _;
use std::io;

use clap::Command;
use clap_mangen::Man;
use stentor_cli::DATE;

pub(crate) fn page(program: &Command) -> io::Result<Vec<u8>> {
    let version = program.get_version().unwrap_or_default();
    // All flags in a row would be hard to read, and follow anyway.
    let usage = format!("{} [OPTIONS]", program.get_name());
    let man = Man::new(program.clone().override_usage(usage));
    // `clap_mangen` would put the version in the place of a date that is empty.
    let title = program.get_name().to_uppercase();
    let mut page = format!(".TH {title} 1 \"{DATE}\" \"Stentor {version}\" Stentor\n").into_bytes();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let mut options = Vec::new();
    man.render_options_section(&mut options)?;
    page.extend(grouped(&String::from_utf8_lossy(&options)).bytes());
    if let Some(after) = program.get_after_long_help() {
        page.extend(sections(&after.to_string()).bytes());
    }
    let others = crate::programs().into_iter().map(|other| other.get_name().to_owned());
    let others: Vec<String> = others
        .filter(|other| other != program.get_name())
        .map(|other| format!("\\fB{other}\\fR(1)"))
        .collect();
    page.extend(format!(".SH \"SEE ALSO\"\n{}\n", others.join(", ")).bytes());
    Ok(page)
}

/// `clap_mangen` makes a section of each group of flags: groups of one section they are here. What it leaves between
/// a text and its list, one of the formatters warns of.
fn grouped(options: &str) -> String {
    let mut out = ".SH OPTIONS\n".to_owned();
    for line in options.replace(".br\n\n.br\n", ".sp\n").lines() {
        let _ = match line.strip_prefix(".SH ") {
            Some(heading) => writeln!(out, ".SS {}", sentence(heading.trim_matches('"'))),
            None => writeln!(out, "{line}"),
        };
    }
    out
}

/// `EXIT STATUS` as in a sentence.
fn sentence(heading: &str) -> String {
    let mut rest = heading.chars();
    rest.next().map_or(String::new(), |first| format!("{first}{}", rest.as_str().to_lowercase()))
}

/// What stands after the flags of the help, `Title:` and indented lines, as sections that keep their lines.
fn sections(after: &str) -> String {
    let mut out = String::new();
    for section in after.split("\n\n") {
        let (title, lines) = section.split_once(":\n").unwrap_or(("Notes", section));
        let _ = writeln!(out, ".SH \"{}\"\n.nf", title.to_uppercase());
        for line in lines.lines() {
            let _ = writeln!(out, "{}", literal(line.trim_start()));
        }
        let _ = writeln!(out, ".fi");
    }
    out
}

/// A line that roff shows as it stands: hyphens stay hyphens, and a first dot or quote is none of its commands.
fn literal(line: &str) -> String {
    format!("\\&{}", line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_flags_becomes_sections_that_keep_their_lines() {
        let after = "Examples:\n  a -b  'one'\n  .b    two\n\nExit status:\n  0  done";
        let expected = ".SH \"EXAMPLES\"\n.nf\n\\&a \\-b  \\(aqone\\(aq\n\\&.b    two\n.fi\n\
            .SH \"EXIT STATUS\"\n.nf\n\\&0  done\n.fi\n";
        assert_eq!(sections(after), expected);
    }

    #[test]
    fn groups_of_flags_stand_in_one_section() {
        let options = ".SH MESSAGES\n.TP\n\\fB\\-m\\fR\n.SH \"EXIT STATUS\"\n";
        let expected = ".SH OPTIONS\n.SS Messages\n.TP\n\\fB\\-m\\fR\n.SS Exit status\n";
        assert_eq!(grouped(options), expected);
    }
}
