//! Installing, starting and finding the emulators of both backends. A stub replaces the Docker engine.

use std::net::TcpStream;

use stentor_tests::build::ProgramPaths;
use stentor_tests::{Backend, Emulator, Program, Setup, wait_until};

/// A stub engine that has the image: its containers run `MiniStack`, and it logs each call.
const ENGINE: &str = r#"#!/usr/bin/env bash
printf '%s\n' "$*" >>"$STAND_IN/calls"
case $1 in
    version) echo 28.0.0 ;;
    image) exit 0 ;;
    run)
        port=$(sed 's/.*--publish 127.0.0.1:\([0-9]*\):4566.*/\1/' <<<"$*")
        echo $$ >"$STAND_IN/container"
        exec env -i "PATH=$PATH" "$EMULATOR" --backend ministack --port "$port" --state "$STAND_IN"
        ;;
    stop) kill "$(<"$STAND_IN/container")" ;;
    rm) exit 0 ;;
esac
"#;

const ENGINE_WITHOUT_IMAGE: &str = r"#!/usr/bin/env bash
case $1 in
    version) echo 28.0.0 ;;
    pull) echo 'Error response from daemon: lookup of the registry: no such host' >&2 && exit 1 ;;
    *) exit 1 ;;
esac
";

const ENGINE_WHOSE_CONTAINER_DIES: &str = r"#!/usr/bin/env bash
case $1 in
    version) echo 28.0.0 ;;
    run) echo 'license activation failed' && exit 55 ;;
    *) exit 0 ;;
esac
";

#[test]
fn localstack_runs_in_a_container_with_a_docker_engine() {
    let setup = Setup::default();
    setup.stand_in("docker", ENGINE);
    let local = setup.local("--backend localstack");
    let port = local.port.as_str();
    let status = setup.run("status").run().exits(0);
    let line = status.stdout.lines().find(|line| line.contains(&format!(":{port} "))).expect("it is listed");
    assert!(line.contains("localstack-in-docker"), "{line}");

    let built = ProgramPaths::get();
    for (program, line) in
        [(&built.producer, "-m 5"), (&built.sender, "-w 0 --idle-timeout 1"), (&built.monitor, "-t 0.2")]
    {
        Program::new(program, line).env("STENTOR_LOCAL", "1").env("STENTOR_PORT", port).run().exits(0);
    }

    let mapping = format!("--publish 127.0.0.1:{port}:4566");
    drop(local);
    let calls = setup.read("calls");
    let run = calls.lines().find(|call| call.starts_with("run ")).expect("a container was run");
    for word in [
        mapping.as_str(),
        "--volume /var/run/docker.sock:/var/run/docker.sock",
        "--env PROVIDER_OVERRIDE_DYNAMODB=v2",
        "--env PROVIDER_OVERRIDE_DYNAMODBSTREAMS=v2",
        "localstack/localstack:4.14.0",
    ] {
        assert!(run.contains(word), "{word} in {run}");
    }
    assert!(calls.lines().rev().take(2).any(|call| call.starts_with("stop ")), "{calls}");
    let container: u32 = setup.read("container").trim().parse().expect("a process id");
    wait_until("the container has stopped", || !std::path::Path::new(&format!("/proc/{container}")).exists());
}

#[test]
fn a_missing_image_without_a_network_is_reported() {
    let setup = Setup::default();
    setup.stand_in("docker", ENGINE_WITHOUT_IMAGE);
    for command in ["local --backend localstack --port 0", "demo --backend localstack"] {
        let refused = setup.run(command).run().exits(1);
        let last = refused.stderr.lines().last().unwrap_or_default();
        assert!(last.contains("localstack/localstack:4.14.0") && last.contains("no such host"), "{last}");
    }
}

#[test]
fn the_error_of_a_failed_start_includes_the_end_of_the_log() {
    let setup = Setup::default();
    setup.stand_in("docker", ENGINE_WHOSE_CONTAINER_DIES);
    let died = setup.run("local --backend localstack --port 0").run().exits(1);
    assert!(died.stderr.contains("license activation failed"), "{}", died.stderr);
    assert!(died.stderr.contains("status 55"), "{}", died.stderr);
}

#[test]
fn a_port_with_the_other_backend_is_rejected() {
    let setup = Setup::default();
    let local = setup.local("");
    let port = &local.port;
    let own = Backend::of_these_tests();
    let other = if own == Backend::MiniStack { Backend::LocalStack } else { Backend::MiniStack }.name();
    let refused = setup.run(&format!("local --backend {other} --port {port}")).run().exits(1);
    assert!(refused.stderr.contains(own.name()) && refused.stderr.contains(port), "{}", refused.stderr);
    assert!(refused.stderr.lines().count() <= 2, "{}", refused.stderr);
}

#[test]
fn an_emulator_listens_on_127_0_0_1_only() {
    let port = Emulator::shared().port();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    // Another address of this machine, like that of its network card.
    let refused = TcpStream::connect(("127.0.0.2", port)).expect_err("connection refused");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

/// Commands that a fresh checkout's `emulator.sh` needs before it installs anything.
const BASICS: [&str; 14] = [
    "bash",
    "dirname",
    "env",
    "sed",
    "tail",
    "mkdir",
    "flock",
    "rm",
    "sha256sum",
    "cut",
    "timeout",
    "sleep",
    "touch",
    "tar",
];

#[test]
fn missing_dependencies_of_localstack_are_named_in_one_line() {
    let setup = Setup::default();
    let checkout = setup.fresh_checkout();
    let path = setup.path_with_only(&BASICS);
    let prepare = || {
        let script =
            Program::new(&checkout.join("infra/local/emulator.sh"), "--backend localstack --prepare");
        script.env("PATH", &path).env("PYENV_ROOT", "/nowhere").run().exits(1).stderr
    };
    let missing = |output: &str, what: &str| {
        let last = output.lines().last().unwrap_or_default();
        assert!(last.contains(what) && last.contains("install it"), "{output}");
        assert!(output.lines().count() <= 2, "{output}");
    };
    missing(&prepare(), "Java 17");
    setup.few("java", "#!/usr/bin/env bash\necho 'openjdk version \"11.0.2\"' >&2\n");
    missing(&prepare(), "Java 17");
    setup.few("java", "#!/usr/bin/env bash\necho 'openjdk version \"17.0.1\"' >&2\n");
    // The fetched package does not have the pinned hash.
    setup.npm(&checkout, "#!/usr/bin/env bash\necho no archive >package.tgz\necho package.tgz\n");
    let output = prepare();
    assert!(output.contains("SHA-256 differs"), "{output}");
    setup.npm(&checkout, "#!/usr/bin/env bash\necho 'npm error network' >&2\nexit 1\n");
    let output = prepare();
    assert!(output.contains("npm error network") && output.contains("check the network"), "{output}");
}

#[test]
fn an_interrupted_installation_is_repeated() {
    let setup = Setup::default();
    let checkout = setup.fresh_checkout();
    let path = setup.path_with_only(&BASICS);
    setup.few("java", "#!/usr/bin/env bash\necho 'openjdk version \"17.0.1\"' >&2\n");
    let prepare = || {
        Program::new(&checkout.join("infra/local/emulator.sh"), "--backend localstack --prepare")
            .env("PATH", &path)
    };
    setup.npm(&checkout, "#!/usr/bin/env bash\ntouch half-a-package\nexec sleep 2\n");
    let left_over = || {
        let folders = std::fs::read_dir(checkout.join(".local")).into_iter().flatten().flatten();
        folders.map(|folder| folder.path().join("half-a-package")).find(|file| file.exists())
    };
    let mut killed = prepare().start();
    wait_until("the installation is under way", || left_over().is_some());
    killed.kill();
    setup.npm(&checkout, "#!/usr/bin/env bash\necho 'npm error network' >&2\nexit 1\n");
    let again = prepare().run().exits(1);
    assert!(again.stderr.contains("npm error network"), "it does not try again: {}", again.stderr);
    assert_eq!(left_over(), None, "files of the first attempt are left");
}
