//! A man page of a program or subcommand.

use std::fmt::Write as _;
use std::io;

use clap::Command;
use clap_mangen::Man;
use stentor_cli::DATE;

/// Formats the page of a program, or of one of its subcommands.
pub(crate) fn page(program: &Command, command: &Command) -> io::Result<Vec<u8>> {
    let version = program.get_version().unwrap_or_default();
    // `clap_mangen` would list every flag here.
    let usage = command.clone().render_usage().to_string();
    let man = Man::new(command.clone().override_usage(usage.trim_start_matches("Usage: ").to_owned()));
    // `clap_mangen` would print the version in place of an empty date.
    let title = crate::page_name(command).to_uppercase();
    let mut page = format!(".TH {title} 1 \"{DATE}\" \"Stentor {version}\" Stentor\n").into_bytes();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut options = Vec::new();
    man.render_options_section(&mut options)?;
    page.extend(grouped(&String::from_utf8_lossy(&options)).bytes());
    if let Some(after) = command.get_after_long_help() {
        page.extend(sections(&after.to_string()).bytes());
    }
    page.extend(see_also(program, command).bytes());
    Ok(page)
}

/// Names the other pages of the same program; on the page of a program, the other programs too.
fn see_also(program: &Command, command: &Command) -> String {
    let own = crate::page_name(command);
    let programs = if own == program.get_name() { crate::programs().to_vec() } else { Vec::new() };
    let pages = crate::commands(program).chain(&programs).map(crate::page_name);
    let mut others: Vec<String> =
        pages.filter(|page| *page != own).map(|page| format!("\\fB{}\\fR(1)", roff_hyphens(page))).collect();
    others.dedup();
    format!(".SH \"SEE ALSO\"\n{}\n", others.join(", "))
}

fn roff_hyphens(text: &str) -> String {
    text.replace('-', "\\-")
}

/// Turns the sections that `clap_mangen` makes of groups of flags into subsections of one section, and fixes a line
/// break that a formatter warns of.
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

/// Turns `EXIT STATUS` into `Exit status`.
fn sentence(heading: &str) -> String {
    let mut rest = heading.chars();
    rest.next().map_or(String::new(), |first| format!("{first}{}", rest.as_str().to_lowercase()))
}

/// Turns the final sections of the help, `Title:` and indented lines, into sections that keep their lines.
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

/// Escapes a line for roff: hyphens stay hyphens, and a leading dot or quote is no roff command.
fn literal(line: &str) -> String {
    format!("\\&{}", roff_hyphens(&line.replace('\\', "\\e")).replace('\'', "\\(aq"))
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
