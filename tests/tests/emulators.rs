//! Installing, starting and finding the emulators of both backends; a stand-in plays the Docker engine.

use std::net::TcpStream;

use stentor_tests::build::ProgramPaths;
use stentor_tests::{Backend, Emulator, Program, Setup, wait_until};

/// An engine that has the image: its containers are `MiniStack`, and each call is written down.
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
fn localstack_is_a_container_where_a_docker_engine_answers() {
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
    wait_until("the container is gone", || !std::path::Path::new(&format!("/proc/{container}")).exists());
}

#[test]
fn an_engine_without_the_image_and_without_a_network_says_so() {
    let setup = Setup::default();
    setup.stand_in("docker", ENGINE_WITHOUT_IMAGE);
    for command in ["local --backend localstack --port 0", "demo --backend localstack"] {
        let refused = setup.run(command).run().exits(1);
        let last = refused.stderr.lines().last().unwrap_or_default();
        assert!(last.contains("localstack/localstack:4.14.0") && last.contains("no such host"), "{last}");
    }
}

#[test]
fn an_emulator_that_dies_at_the_start_shows_its_last_words() {
    let setup = Setup::default();
    setup.stand_in("docker", ENGINE_WHOSE_CONTAINER_DIES);
    let died = setup.run("local --backend localstack --port 0").run().exits(1);
    assert!(died.stderr.contains("license activation failed"), "{}", died.stderr);
    assert!(died.stderr.contains("status 55"), "{}", died.stderr);
}

#[test]
fn a_port_with_the_other_backend_is_not_taken_for_this_one() {
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
fn an_emulator_is_reached_by_127_0_0_1_alone() {
    let port = Emulator::shared().port();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    // Another address of this machine, as good as its network card's.
    let refused = TcpStream::connect(("127.0.0.2", port)).expect_err("nobody listens there");
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
fn what_localstack_needs_without_docker_is_named_in_one_line() {
    let setup = Setup::default();
    let checkout = setup.fresh_checkout();
    let path = setup.path_with_only(&BASICS);
    let prepare = || {
        let script =
            Program::new(&checkout.join("infra/local/emulator.sh"), "--backend localstack --prepare");
        script.env("PATH", &path).env("PYENV_ROOT", "/nowhere").run().exits(1).stderr
    };
    let missing = |told: &str, what: &str| {
        let last = told.lines().last().unwrap_or_default();
        assert!(last.contains(what) && last.contains("install it"), "{told}");
        assert!(told.lines().count() <= 2, "{told}");
    };
    missing(&prepare(), "Java 17");
    setup.few("java", "#!/usr/bin/env bash\necho 'openjdk version \"11.0.2\"' >&2\n");
    missing(&prepare(), "Java 17");
    setup.few("java", "#!/usr/bin/env bash\necho 'openjdk version \"17.0.1\"' >&2\n");
    missing(&prepare(), "npm");
    // What was fetched is another package than the one whose hash is known.
    setup.few("npm", "#!/usr/bin/env bash\necho no archive >package.tgz\necho package.tgz\n");
    let told = prepare();
    assert!(told.contains("SHA-256 differs"), "{told}");
    setup.few("npm", "#!/usr/bin/env bash\necho 'npm error network' >&2\nexit 1\n");
    let told = prepare();
    assert!(told.contains("npm error network") && told.contains("check the network"), "{told}");
}

#[test]
fn an_interrupted_installation_is_begun_anew() {
    let setup = Setup::default();
    let checkout = setup.fresh_checkout();
    let path = setup.path_with_only(&BASICS);
    setup.few("java", "#!/usr/bin/env bash\necho 'openjdk version \"17.0.1\"' >&2\n");
    let prepare = || {
        Program::new(&checkout.join("infra/local/emulator.sh"), "--backend localstack --prepare")
            .env("PATH", &path)
    };
    setup.few("npm", "#!/usr/bin/env bash\ntouch half-a-package\nexec sleep 2\n");
    let left_over = || {
        let folders = std::fs::read_dir(checkout.join(".local")).into_iter().flatten().flatten();
        folders.map(|folder| folder.path().join("half-a-package")).find(|file| file.exists())
    };
    let mut killed = prepare().start();
    wait_until("it is in the middle", || left_over().is_some());
    killed.kill();
    setup.few("npm", "#!/usr/bin/env bash\necho 'npm error network' >&2\nexit 1\n");
    let again = prepare().run().exits(1);
    assert!(again.stderr.contains("npm error network"), "it tries again: {}", again.stderr);
    assert_eq!(left_over(), None, "and nothing of the first attempt is left");
}
