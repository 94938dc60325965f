//! The live page behind a reverse proxy: its path, and the names of its host.

use stentor_tests::build::ProgramPaths;
use stentor_tests::{Program, Stack, wait_until};

use crate::bad_input::assert_clear;

#[test]
fn a_page_behind_a_reverse_proxy_answers_its_name_below_its_path() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 3");
    let serve =
        "serve 0 -t 0.2 --base-path /a/stentor/ --allow-host stentor.example.com --allow-host big-screen";
    let page = stack.monitor(serve).start_page();
    wait_until("a snapshot is available", || page.get("/a/stentor/api/snapshot").status == 200);
    assert_eq!(page.get("/a/stentor/api/snapshot").json()["run"], *run);

    // Every link of the page, relative to it, is there.
    let html = page.get("/a/stentor/").body;
    let links = ["href=\"", "src=\""].into_iter().flat_map(|start| html.split(start).skip(1));
    let links: Vec<&str> = links.filter_map(|rest| rest.split('"').next()).collect();
    assert!(links.contains(&"page.js") && links.contains(&"metrics"), "{links:?}");
    for link in links.into_iter().filter(|link| !link.starts_with("data:")) {
        assert_eq!(page.get(&format!("/a/stentor/{link}")).status, 200, "{link}");
        assert_eq!(page.get(&format!("/{link}")).status, 404, "{link}");
    }
    let script = page.get("/a/stentor/page.js").body;
    assert!(script.contains("new EventSource(\"events\")"), "the stream is beside the page");
    let without_slash = page.get("/a/stentor");
    assert_eq!((without_slash.status, without_slash.header("location")), (307, Some("/a/stentor/")));
    assert!(page.get("/").body.contains("the page is at /a/stentor/"));

    let ask = |host: &str| page.ask("GET", "/a/stentor/healthz", &[("Host", host)]).status;
    for host in ["stentor.example.com", "Big-Screen:8443", "localhost", page.address()] {
        assert_eq!(ask(host), 200, "{host}");
    }
    for host in ["example.com", "x.stentor.example.com", "evil.example", "stentor.example.com.evil.example"] {
        assert_eq!(ask(host), 421, "{host}");
    }
}

#[test]
fn an_allowed_host_with_a_port_a_wildcard_or_no_name_is_a_usage_error() {
    let monitor = &ProgramPaths::get().monitor;
    for name in ["stentor.example.com:443", "*", "*.example.com", "http://a", "a/b", "[::1]", ""] {
        let ended = Program::new(monitor, &format!("serve --allow-host={name}")).run();
        assert_clear(&ended, 2, &[&format!("'{name}'"), "--allow-host"]);
    }
    for path in ["stentor", "/a//b", "/../a"] {
        let ended = Program::new(monitor, &format!("serve --base-path {path}")).run();
        assert_clear(&ended, 2, &[&format!("'{path}'"), "--base-path"]);
    }
}
