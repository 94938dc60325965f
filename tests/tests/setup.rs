//! `infra/setup.sh`: deploying and destroying, the local emulator, the demo.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use stentor_tests::build::ProgramPaths;
use stentor_tests::{Emulator, Program, Setup, children, wait_at_most};

/// Points a program at the tests' emulator as if it were AWS.
fn on_emulator(program: Program) -> Program {
    program.toward(&Emulator::shared().url())
}

fn table_names() -> String {
    Emulator::shared().aws().dynamodb("ListTables", &json!({}))["TableNames"].to_string()
}

fn visibility_timeout(stack: &str) -> String {
    let aws = Emulator::shared().aws();
    let url = aws.sqs("GetQueueUrl", &json!({"QueueName": format!("{stack}-queue")}))["QueueUrl"].clone();
    let wanted = json!({"QueueUrl": url, "AttributeNames": ["VisibilityTimeout"]});
    aws.sqs("GetQueueAttributes", &wanted)["Attributes"]["VisibilityTimeout"].as_str().unwrap().to_owned()
}

#[test]
fn deploy_creates_and_updates_a_working_stack_and_destroy_deletes_it() {
    let setup = Setup::default();
    let call = |line: &str| on_emulator(setup.run(line)).run();
    let deployed = call("deploy --stack drill --region us-east-1 --parameter VisibilityTimeout=30").exits(0);
    assert!(deployed.stdout.contains("producer --stack drill -m 1000 -l 100"), "{}", deployed.stdout);
    assert!(deployed.stdout.contains("destroy --stack drill --region us-east-1"), "{}", deployed.stdout);
    // An update keeps the parameters that are not given.
    call("deploy --stack drill --no-wait --parameter BatchingWindow=2").exits(0);
    assert_eq!(visibility_timeout("drill"), "30");

    let built = ProgramPaths::get();
    on_emulator(Program::new(&built.producer, "--stack drill -m 20")).run().exits(0);
    on_emulator(Program::new(&built.sender, "--stack drill -w 0 --idle-timeout 1")).run().exits(0);
    on_emulator(Program::new(&built.monitor, "--stack drill -t 0.2")).run().exits(0);

    // A policy is attached to a user, a group and a role.
    let aws = Emulator::shared().aws();
    let iam = |parameters: &[(&str, &str)]| {
        aws.form_call("iam", &[&[("Version", "2010-05-08")], parameters].concat())
    };
    let (_, policies) = iam(&[("Action", "ListPolicies"), ("Scope", "Local")]);
    let arn = policies.split("<Arn>").skip(1).map(|rest| rest.split('<').next().unwrap_or_default());
    let arn = arn.into_iter().find(|arn| arn.contains("drill")).expect("the stack has policies").to_owned();
    let trust = ("AssumeRolePolicyDocument", r#"{"Version": "2012-10-17", "Statement": []}"#);
    let identities = [("User", "rehearser"), ("Group", "rehearsers"), ("Role", "rehearsal")];
    for (kind, name) in identities {
        let named = (&*format!("{kind}Name"), name);
        assert_eq!(iam(&[("Action", &format!("Create{kind}")), named, trust]).0, 200, "{kind}");
        let attach = [("Action", &*format!("Attach{kind}Policy")), named, ("PolicyArn", &arn)];
        assert_eq!(iam(&attach).0, 200, "{kind}");
    }

    let destroyed = call("destroy --stack drill --yes").exits(0);
    for (kind, name) in identities {
        let detached = format!(" from {} {name}", kind.to_lowercase());
        let is_reported = |line: &str| line.contains("detaching") && line.ends_with(&detached);
        assert!(destroyed.stderr.lines().any(is_reported), "{kind}: {}", destroyed.stderr);
    }
    assert!(!table_names().contains("drill-"), "{}", table_names());
    let again = call("destroy --stack drill --yes").exits(0);
    assert!(again.stderr.contains("nothing to destroy"), "{}", again.stderr);
}

#[test]
fn the_local_emulator_starts_works_and_stops() {
    let setup = Setup::default();
    let local = setup.local("--stack mine");
    assert_eq!(setup.builds(), "", "the release builds are up to date");
    let port = &local.port;
    let built = ProgramPaths::get();
    let use_it = |program: &std::path::Path, line: &str| {
        Program::new(program, line).env("STENTOR_LOCAL", "1").env("STENTOR_PORT", port).run().exits(0)
    };
    use_it(&built.producer, "--stack mine -m 5");
    use_it(&built.sender, "--stack mine -w 0 --idle-timeout 1");
    use_it(&built.monitor, "--stack mine -t 0.2");

    let status = setup.run("status").run().exits(0);
    assert!(status.stdout.contains(&format!("http://127.0.0.1:{port} ")), "{}", status.stdout);
    let again = setup.run(&format!("local --port {port} --stack other")).run().exits(0);
    assert!(again.stderr.contains("is running"), "{}", again.stderr);

    setup.run(&format!("stop --port {port}")).run().exits(0);
    let status = setup.run("status").run().exits(0);
    assert!(!status.stdout.contains(&format!(":{port} ")), "{}", status.stdout);
    let gone = Program::new(&built.monitor, "--stack mine --once")
        .env("STENTOR_LOCAL", "1")
        .env("STENTOR_PORT", port);
    assert!(gone.run().exits(1).stderr.contains("does not answer"));
    setup.run(&format!("stop --port {port}")).run().exits(0);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let port = taken.local_addr().expect("it is bound").port();
    let refused = Setup::default().run(&format!("local --port {port}")).run().exits(1);
    assert!(refused.stderr.contains(&port.to_string()), "{}", refused.stderr);
}

#[test]
fn the_demo_completes_a_run_and_its_audit() {
    let setup = Setup::default();
    setup.without_release_builds();
    let demo = setup.run("demo -m 300 -l 40").run().exits(0);
    let built = setup.builds();
    assert!(built.contains("--bin sender") && built.contains("--bin bootstrap"), "{built}");
    assert!(!built.contains("release") && built.lines().count() == 1, "{built}");
    let last: Vec<&str> = demo.stdout.lines().rev().take(2).collect();
    assert!(last[1].starts_with("complete: 300 messages"), "{}", demo.stdout);
    assert!(last[0].starts_with("the audit agrees"), "{}", demo.stdout);
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let setup = Setup::default();
    let mut demo = setup.run("demo -m 20000 --rate 50").with_default_signals().start();
    // Its emulator is the one whose folder appears under this demo's process.
    let mut port = String::new();
    wait_at_most(Duration::from_secs(180), "the demo has started its producer", || {
        port = running_below(demo.id());
        !port.is_empty() || !demo.is_running()
    });
    assert!(demo.is_running(), "{}", demo.finish().stderr);
    demo.signal("INT");
    let ended = demo.finish().exits(130);
    assert!(ended.took < Duration::from_secs(30), "{:?}", ended.took);
    let monitor = Program::new(&ProgramPaths::get().monitor, "--once");
    let gone = monitor.env("STENTOR_LOCAL", "1").env("STENTOR_PORT", &port).run().exits(1);
    assert!(gone.stderr.contains("does not answer"), "{}", gone.stderr);
}

#[test]
fn a_closed_terminal_ends_the_demo_with_its_senders() {
    let setup = Setup::default();
    let mut demo = setup.run("demo -m 5000").with_default_signals().start();
    let command_of = |process: u32| std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let is_sender = |process: &u32| {
        let command = String::from_utf8_lossy(&command_of(*process)).into_owned();
        command.split('\0').next().is_some_and(|program| program.ends_with("/sender"))
    };
    let mut senders: Vec<u32> = Vec::new();
    wait_at_most(Duration::from_secs(180), "the demo has started its senders", || {
        senders = children(demo.id()).into_iter().filter(is_sender).collect();
        senders.len() == 4 || !demo.is_running()
    });
    assert!(demo.is_running(), "{}", demo.finish().stderr);
    for sender in &senders {
        let stat = std::fs::read_to_string(format!("/proc/{sender}/stat")).expect("it is running");
        // The session is the fourth field after the name (proc_pid_stat(5)).
        let session = stat.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(3));
        assert_eq!(session, Some(sender.to_string().as_str()), "{stat}");
    }
    demo.signal("HUP");
    demo.finish().exits(129);
    assert!(!senders.iter().any(is_sender), "a sender is left");
}

/// Returns the port of the producer started by a process, or an empty string while there is none.
fn running_below(process: u32) -> String {
    for child in children(process) {
        let environment = std::fs::read(format!("/proc/{child}/environ")).unwrap_or_default();
        let command = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        if !String::from_utf8_lossy(&command).contains("producer") {
            continue;
        }
        for variable in environment.split(|byte| *byte == 0) {
            if let Some(port) = String::from_utf8_lossy(variable).strip_prefix("STENTOR_PORT=") {
                return port.to_owned();
            }
        }
    }
    String::new()
}

/// Returns all files and folders below a folder, with the contents of the files.
fn below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("it is a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            let inner = below(&entry.path()).into_iter().map(|(path, text)| (format!("{name}/{path}"), text));
            found.extend(inner);
            found.insert(name, Vec::new());
        } else {
            found.insert(name, std::fs::read(entry.path()).expect("it is ours"));
        }
    }
    found
}

/// Returns an installation below that folder, by a user without other settings.
fn installing(setup: &Setup, home: &Path, command: &str) -> Program {
    setup.run(command).env("HOME", &home.display().to_string()).env("PREFIX", "")
}

#[test]
fn an_installation_is_complete_and_can_be_removed() {
    let (setup, home) = (Setup::default(), tempfile::tempdir().expect("a temporary folder"));
    // A file and an empty folder of the user, in places where Stentor installs files.
    std::fs::create_dir_all(home.path().join(".local/bin")).expect("the folder is ours");
    std::fs::create_dir_all(home.path().join(".local/share/man/man1")).expect("the folder is ours");
    std::fs::write(home.path().join(".local/bin/mine"), "mine").expect("the folder is ours");
    let before = below(home.path());

    let installed = installing(&setup, home.path(), "install").run().exits(0);
    assert!(installed.stderr.contains("export PATH="), "{}", installed.stderr);
    let first = below(home.path());
    for program in ["producer", "sender", "monitor"] {
        let local = home.path().join(".local");
        let version = Program::new(&local.join("bin").join(program), "--version").run().exits(0);
        assert!(version.stdout.starts_with(program), "{}", version.stdout);
        for file in [
            format!("share/man/man1/{program}.1"),
            format!("share/bash-completion/completions/{program}"),
            format!("share/zsh/site-functions/_{program}"),
            format!("share/fish/vendor_completions.d/{program}.fish"),
        ] {
            assert!(first.contains_key(&format!(".local/{file}")), "{file}");
        }
    }
    for page in ["producer-resume", "producer-requeue", "monitor-report", "monitor-runs"] {
        assert!(first.contains_key(&format!(".local/share/man/man1/{page}.1")), "{page}");
    }
    installing(&setup, home.path(), "install").run().exits(0);
    assert_eq!(first, below(home.path()), "the second installation changed something");

    installing(&setup, home.path(), "uninstall").run().exits(0);
    assert_eq!(before, below(home.path()));
    let again = installing(&setup, home.path(), "uninstall").run().exits(0);
    assert!(again.stderr.contains("nothing of Stentor"), "{}", again.stderr);
}

#[test]
fn an_installation_keeps_the_files_of_others() {
    let (setup, home) = (Setup::default(), tempfile::tempdir().expect("a temporary folder"));
    let prefix = home.path().join("a prefix");
    let call = |command: &str| {
        let command = installing(&setup, home.path(), command);
        command.env("PREFIX", &prefix.display().to_string()).run()
    };
    std::fs::create_dir_all(prefix.join("bin")).expect("the folder is ours");
    std::fs::write(prefix.join("bin/sender"), "another's").expect("the folder is ours");
    let before = below(home.path());
    let refused = call("install").exits(1);
    assert!(
        refused.stderr.contains("bin/sender") && refused.stderr.contains("--force"),
        "{}",
        refused.stderr
    );
    assert_eq!(before, below(home.path()), "the refused installation changed something");

    call("install --force").exits(0);
    // A file that replaced an installed one is kept.
    std::fs::write(prefix.join("bin/monitor"), "another's").expect("the folder is ours");
    call("install").exits(1);
    let left = call("uninstall").exits(0);
    assert!(left.stderr.contains("bin/monitor"), "{}", left.stderr);
    let kept: Vec<String> = below(&prefix).into_keys().collect();
    assert_eq!(kept, ["bin", "bin/monitor"]);
}

#[test]
fn invalid_usage_is_reported_and_changes_nothing() {
    let setup = Setup::default();
    for (line, word) in [
        ("", "a command is missing"),
        ("fly", "fly"),
        ("deploy --stack A_B", "A_B"),
        ("deploy --region nowhere", "nowhere"),
        ("local --port x", "x"),
        ("stop --port 70000", "70000"),
        ("destroy --force", "--force"),
        ("install --prefix", "--prefix"),
        ("uninstall --force", "--force"),
    ] {
        let refused = setup.run(line).run().exits(2);
        assert!(refused.stderr.contains(word) && refused.stderr.lines().count() <= 3, "{}", refused.stderr);
    }
}

#[test]
fn missing_prerequisites_are_listed_with_the_commands_that_install_them() {
    let setup = Setup::default();
    let path = setup.path_with_only(&["bash", "dirname", "env"]);
    let run = |command: &str| setup.run(command).env("PATH", &path).env("PYENV_ROOT", "/nowhere").run();
    for command in ["demo", "local", "install", "deploy"] {
        let refused = run(command).exits(1).stderr;
        let missing: Vec<&str> = refused.lines().filter(|line| line.contains("missing: ")).collect();
        assert_eq!(missing.len(), 4, "{refused}");
        for (line, what) in missing.iter().zip(["Rust 1.", "a C compiler", "Python 3.10", "flock"]) {
            assert!(line.contains(what), "{refused}");
            for system in ["Debian, Ubuntu", "Fedora", "macOS"] {
                assert!(line.contains(system), "{line}");
            }
        }
    }
    setup.path_with_only(&["cc", "flock"]);
    setup.few("cargo", "#!/usr/bin/env bash\necho 'cargo 1.63.0 (fd9c4297c 2022-07-01)'\n");
    // A Python of the right version without venv.
    setup.few("python3", "#!/usr/bin/env bash\necho right\n");
    let refused = run("demo").exits(1).stderr;
    assert!(refused.contains("this is cargo 1.63.0") && refused.contains("-venv"), "{refused}");
    assert_eq!(refused.matches("missing: ").count(), 2, "{refused}");
}

/// A Python whose pip prints `$PIP_PRINTS` and fails, if that is set.
const PYTHON: &str = r#"#!/usr/bin/env bash
case $* in
    *'import venv'*) echo usable ;;
    '-m venv '*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    *'pip install '*) [[ -z $PIP_PRINTS ]] || { echo "$PIP_PRINTS" && exit 1; } ;;
esac
"#;

#[test]
fn a_failed_installation_is_explained_and_can_be_repeated() {
    let setup = Setup::default();
    let (checkout, local) = (setup.fresh_checkout(), setup.fresh_checkout().join(".local"));
    let basics = ["bash", "dirname", "env", "flock", "cut", "sha256sum", "mkdir", "rm", "cp", "grep", "tail"];
    let path = setup.path_with_only(&basics);
    setup.few("python3", PYTHON);
    let install = |pip_prints: &str| {
        let script = Program::new(&checkout.join("infra/local/install.sh"), "");
        script.env("PATH", &path).env("PIP_PRINTS", pip_prints).run()
    };
    std::fs::write(&local, "").expect("the folder is ours");
    let refused = install("").exits(1).stderr;
    assert!(refused.contains("cannot be written") && refused.lines().count() == 1, "{refused}");
    std::fs::remove_file(&local).expect("the folder is ours");

    for (pip_prints, reason) in [
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError'",
            "no connection to the package index",
        ),
        ("ERROR: Could not install: [Errno 28] No space left on device", "the disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "DO NOT MATCH THE HASHES"),
    ] {
        let refused = install(pip_prints).exits(1).stderr;
        assert!(refused.contains(reason) && refused.lines().count() == 2, "{refused}");
        let left = std::fs::read_dir(&local).expect("it was made").flatten();
        assert!(!left.map(|entry| entry.path()).any(|path| path.is_dir()), "an environment is left");
    }
    let environment = install("").exits(0).stdout;
    assert!(Path::new(environment.trim_end()).join("complete").exists(), "{environment}");
    assert_eq!(install("it is not called again").exits(0).stdout, environment);
}
