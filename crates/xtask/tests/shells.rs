//! Tests the completions in bash, and the content of all files. `.ci/completions` checks them with the other shells
//! and with formatters of man pages, which not every machine has.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

fn written() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    xtask::write(folder.path()).expect("the folder is ours");
    folder
}

/// Runs bash, and returns its output. It must succeed without errors or warnings.
#[track_caller]
fn bash(arguments: &[&str]) -> String {
    let output =
        Command::new("bash").args(arguments).env("LC_ALL", "C.UTF-8").output().expect("bash is there");
    let (result, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && errors.is_empty(), "{result}{errors}");
    result.into_owned()
}

fn path(folder: &TempDir, file: &str) -> String {
    folder.path().join(file).display().to_string()
}

/// Returns what bash offers for the last word of a line.
fn offered(folder: &TempDir, line: &str) -> Vec<String> {
    let program = line.split(' ').next().unwrap_or_default();
    let script = r#"
        source "$1"
        compopt() { :; } # bash allows it only during a completion
        read -ra COMP_WORDS <<<"$2"
        [[ $2 != *' ' ]] || COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        completer=$(complete -p "${COMP_WORDS[0]}" | sed 's/.*-F \([^ ]*\).*/\1/')
        "$completer" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let file = path(folder, &format!("share/bash-completion/completions/{program}"));
    bash(&["--norc", "-c", script, "bash", &file, line]).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_flags_and_values() {
    let folder = written();
    for (line, offers) in [
        ("producer re", &["resume", "requeue"][..]),
        ("producer --re", &["--region"]),
        ("producer resume --ra", &["--rate"]),
        ("producer requeue --ra", &[]),
        ("monitor a", &["audit"]),
        ("monitor report --pr", &["--price", "--profile"]),
        ("monitor serve --until", &["--until-complete"]),
        ("monitor audit --on", &[]),
        ("monitor runs --st", &["--stack"]),
        ("producer --exa", &["--exact-length"]),
        ("sender --distribution lo", &["lognormal"]),
        ("monitor --onc", &["--once"]),
    ] {
        let mut offered = offered(&folder, line);
        let mut offers = offers.to_vec();
        offered.sort_unstable();
        offers.sort_unstable();
        assert_eq!(offered, offers, "{line}");
    }
    assert!(
        offered(&folder, "producer --messages ").is_empty(),
        "bash offers files where a number is expected"
    );
}

#[test]
fn each_shell_has_completions() {
    let folder = written();
    for name in ["producer", "sender", "monitor"] {
        for file in [
            format!("share/bash-completion/completions/{name}"),
            format!("share/zsh/site-functions/_{name}"),
            format!("share/fish/vendor_completions.d/{name}.fish"),
        ] {
            let text = std::fs::read_to_string(path(&folder, &file)).expect("it was written");
            assert!(text.contains(name) && text.contains("json"), "{file}");
        }
        bash(&["-n", &path(&folder, &format!("share/bash-completion/completions/{name}"))]);
    }
}

#[test]
fn the_man_pages_have_their_sections() {
    let folder = written();
    for (name, usage) in [
        ("producer", "[OPTIONS] [COMMAND]"),
        ("producer-resume", "[OPTIONS] <RUN>"),
        ("producer-requeue", "[OPTIONS] <RUN>"),
        ("sender", "[OPTIONS] [COMMAND]"),
        ("sender-providers", "[OPTIONS] [NAME]"),
        ("monitor", "[OPTIONS] [COMMAND]"),
        ("monitor-serve", "[OPTIONS] [ADDR]"),
        ("monitor-report", "[OPTIONS] <FILE>"),
        ("monitor-compare", "[OPTIONS] <RUN> <RUN>"),
        ("monitor-audit", "[OPTIONS]"),
        ("monitor-repair", "[OPTIONS]"),
        ("monitor-runs", "[OPTIONS]"),
    ] {
        let file = path(&folder, &format!("share/man/man1/{name}.1"));
        let page = std::fs::read_to_string(&file).expect("it was written");
        let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        let subcommands = if usage.contains("COMMAND") { Some("SUBCOMMANDS") } else { None };
        let before = ["NAME", "SYNOPSIS", "DESCRIPTION"].into_iter().chain(subcommands);
        let after = ["EXAMPLES", "VALUES", "ENVIRONMENT", "EXIT STATUS", "SEE ALSO"];
        let after = after.map(|title| format!("\"{title}\""));
        let after = ["OPTIONS"].into_iter().chain(after.iter().map(String::as_str));
        assert_eq!(sections, before.chain(after).collect::<Vec<_>>(), "{name}");
        assert!(page.contains(&format!(".TH {} 1", name.to_uppercase())), "{page}");
        assert!(page.contains(&format!("\\fB{}\\fR {usage}\n", name.replace('-', " "))), "{page}");
        for flag in ["stack", "json", "help"] {
            assert!(page.contains(&format!("\\-\\-{flag}\\fR")), "{name}: {flag}");
        }
    }
}

#[test]
fn a_man_page_names_the_other_pages_of_its_program() {
    let folder = written();
    let see_also = |name: &str| {
        let page =
            std::fs::read_to_string(path(&folder, &format!("share/man/man1/{name}.1"))).expect("it is there");
        page.split_once(".SH \"SEE ALSO\"\n").expect("the section").1.replace("\\-", "-")
    };
    assert_eq!(
        see_also("producer"),
        "\\fBproducer-resume\\fR(1), \\fBproducer-requeue\\fR(1), \\fBsender\\fR(1), \\fBmonitor\\fR(1)\n"
    );
    assert_eq!(see_also("producer-resume"), "\\fBproducer\\fR(1), \\fBproducer-requeue\\fR(1)\n");
    assert!(see_also("monitor").starts_with("\\fBmonitor-serve\\fR(1), \\fBmonitor-report\\fR(1), "));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = TempDir::new().expect("a temporary folder");
    std::fs::write(folder.path().join("share"), "").expect("the folder is ours");
    let refused = xtask::write(folder.path()).expect_err("share is not a folder").to_string();
    assert!(refused.contains(&*Path::new("share/bash-completion").to_string_lossy()), "{refused}");
}
