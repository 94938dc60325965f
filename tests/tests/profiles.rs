//! Profiles of the AWS configuration files: what is wrong with one is named with its file and line.

use std::path::Path;

use stentor_tests::build::ProgramPaths;
use stentor_tests::{Emulator, Program, Stack};
use tempfile::TempDir;

use crate::bad_input::{assert_clear, programs};

pub(crate) const KEYS: &str = "aws_access_key_id = AKIA\naws_secret_access_key = secret\n";
pub(crate) const ROLE: &str = "role_arn = arn:aws:iam::123456789012:role/rehearser\n";

/// A home folder with AWS configuration files.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn with(config: &str, credentials: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        std::fs::write(folder.path().join("config"), config).expect("the folder is ours");
        std::fs::write(folder.path().join("credentials"), credentials).expect("the folder is ours");
        Self(folder)
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.0.path().join(file).display().to_string()
    }

    /// Writes another file, and the folders above it.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.0.path().join(file);
        std::fs::create_dir_all(path.parent().expect("it is below the folder")).expect("the folder is ours");
        std::fs::write(path, text).expect("the folder is ours");
    }

    pub(crate) fn program(&self, program: &Path, line: &str) -> Program {
        Program::new(program, line)
            .env("HOME", &self.0.path().display().to_string())
            .env("AWS_CONFIG_FILE", &self.path("config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", &self.path("credentials"))
    }
}

#[test]
fn an_unknown_profile_lists_those_there_are() {
    let home = Home::with("[default]\nregion = us-east-1\n[profile dev]\n", &format!("[base]\n{KEYS}"));
    let files = format!("{} or {}", home.path("config"), home.path("credentials"));
    let reason = format!("profile 'nope': not found in {files}; existing profiles: base, default, dev");
    for program in programs() {
        for ended in [
            home.program(program, "--profile nope").run(),
            // Not even with keys in the environment, which the SDK would use.
            home.program(program, "--profile nope")
                .env("AWS_ACCESS_KEY_ID", "key")
                .env("AWS_SECRET_ACCESS_KEY", "secret")
                .run(),
            home.program(program, "").env("AWS_PROFILE", "nope").run(),
        ] {
            assert_clear(&ended, 1, &[&reason]);
            assert!(ended.stderr.contains("aws configure --profile nope"), "{}", ended.stderr);
        }
    }
    let empty = Program::new(&ProgramPaths::get().monitor, "--profile nope --region us-east-1").run();
    assert_clear(&empty, 1, &["profile 'nope'", "/dev/null", "existing profiles: none"]);
}

#[test]
fn the_fault_of_a_profile_is_named_with_its_line_and_a_command() {
    let sso = "sso_session = corp\nsso_account_id = 123456789012\nsso_role_name = r\n";
    let session = "[sso-session corp]\nsso_start_url = https://corp.example/start\nsso_region = us-east-1\n";
    for (config, reason, line, command) in [
        (
            format!("# my session\n[profile a]\nregion = us-east-1\n{sso}{session}"),
            "not signed in to IAM Identity Center",
            "config line 4",
            "aws sso login --profile a",
        ),
        (
            format!("[profile a]\nregion = us-east-1\n{ROLE}source_profile = b\n[profile b]\n{sso}{session}"),
            "profile 'a', source profile 'b': not signed in to IAM Identity Center",
            "config line 6",
            "aws sso login --profile b",
        ),
        (
            format!("[profile a]\nregion = us-east-1\n{sso}"),
            "sso-session named `corp`",
            "config line 1",
            "aws configure --profile a",
        ),
        (
            format!("[profile a]\nregion = us-east-1\n{ROLE}"),
            "its role_arn needs source_profile or credential_source",
            "config line 3",
            "aws configure set source_profile NAME --profile a",
        ),
        (
            format!("[profile a]\n{ROLE}source_profile = b\n[profile b]\n{ROLE}source_profile = a\n"),
            "source_profile forms a loop: a, b, a",
            "config line 6",
            "aws configure set source_profile",
        ),
        (
            format!("[profile a]\n{ROLE}source_profile = gone\n"),
            "source_profile 'gone' does not exist",
            "config line 3",
            "aws configure set source_profile",
        ),
        (
            "; mine\n\n[a]\nregion = us-east-1\n".to_owned(),
            "the section [a] is ignored, expected [profile a]",
            "config line 3",
            "[profile a]",
        ),
        (
            format!("[profile a]\nregion = us-east-1\n  # my keys\n{KEYS}"),
            "part of the value of 'region'",
            "config line 3",
            "Remove the spaces",
        ),
        (
            format!("[profile a]\n\t{}", KEYS.replace('\n', "\n\t")),
            "Expected a property definition",
            "config on line 2",
            "aws configure --profile a",
        ),
        (
            "[profile a]\nregion us-east-1\n".to_owned(),
            "Expected an '=' sign",
            "config on line 2",
            "aws configure --profile a",
        ),
        (
            "[profile a]\nregion = us-east-1\n".to_owned(),
            "no AWS credentials in it",
            "config line 1",
            "aws configure --profile a",
        ),
    ] {
        let home = Home::with(&config, "");
        let folder = home.path("");
        for ended in [
            home.program(&ProgramPaths::get().sender, "--profile a").run(),
            home.program(&ProgramPaths::get().monitor, "--once").env("AWS_PROFILE", "a").run(),
        ] {
            assert_clear(&ended, 1, &["profile 'a'", reason, &format!("{folder}{line}")]);
            assert!(ended.stderr.contains(command), "{}", ended.stderr);
        }
    }
}

#[test]
fn line_ends_of_windows_comments_and_blanks_are_read() {
    let stack = Stack::deploy();
    let config = "# mine\r\n\r\n[ profile   a ] ; work\r\nREGION=us-east-1 # home\r\n; end\r\n\
        s3 =\r\n  addressing_style = path\r\noutput = json\r\n  # an indented note\r\n";
    let home = Home::with(config, &format!("[a]\n{KEYS}").replace('\n', " \r\n"));
    let url = Emulator::shared().url();
    let line = format!("runs --json --profile a --stack {} --endpoint-url {url}", stack.name());
    home.program(&ProgramPaths::get().monitor, &line).run().exits(0);
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let stack = Stack::deploy();
    let home = Home::with("[default]\nregion = us-east-1\n", &format!("[default]\n{KEYS}"));
    let line = format!("-m 3 --stack {} --endpoint-url {}", stack.name(), Emulator::shared().url());
    let producer = || home.program(&ProgramPaths::get().producer, &line);
    producer().env("AWS_PROFILE", "").run().exits(0);
    let without_region = producer().env("AWS_REGION", "").env("AWS_DEFAULT_REGION", "").run();
    assert_clear(&without_region, 1, &["no AWS region configured"]);
}

#[test]
fn the_local_emulator_needs_no_profile() {
    let stack = Stack::deploy();
    stack.monitor("runs --profile nope").run().exits(0);
}

#[test]
fn an_unknown_region_is_a_hint_and_a_missing_endpoint_never_the_emulator() {
    for program in programs() {
        let ended = Program::new(program, "--region eu-west-9")
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .run();
        assert_clear(&ended, 1, &["AWS in eu-west-9", "does not answer"]);
        assert!(ended.stderr.contains("eu-west-9 is not a known region"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("setup.sh"), "{}", ended.stderr);
    }
}
