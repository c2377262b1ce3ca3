//! What can be known to fail is refused before anything is touched, with a way out.

use std::net::TcpListener;

use flotilla_tests::Sandbox;

use super::{Stack, alone};

fn refused(name: &str, given: impl FnOnce(&Stack<'_>, flotilla_tests::Run) -> flotilla_tests::Run, says: [&str; 2]) {
    let _alone = alone();
    let sandbox = Sandbox::on_disk();
    let stack = Stack::new(&sandbox, "refused", 19000);
    let run = stack.shell(&format!("compose/up --name {name} --base-port 19000"));
    given(&stack, run).run().code_is(2).no_lines().says(says[0]).says(says[1]);
    assert!(!stack.state().exists(), "nothing was made");
    assert!(stack.all_processes().is_empty());
    assert!(stack.ports().is_empty());
}

#[test]
fn a_taken_port_is_named_with_who_holds_it() {
    let _alone = alone();
    let sandbox = Sandbox::on_disk();
    let stack = Stack::new(&sandbox, "taken", 19000);
    let _taken = TcpListener::bind("127.0.0.31:19632").unwrap();
    let me = format!("(process {})", std::process::id());
    let refusal = stack.up().code_is(2).no_lines().says("127.0.0.31:19632, the port of \"pool-a\", is taken by");
    refusal.says(&me).says("hint: Stop what holds it, or choose other ports with --base-port and another --name.");
    assert!(!stack.state().exists(), "nothing was made");
    assert!(stack.all_processes().is_empty());
    assert_eq!(stack.ports(), [19632]);
}

#[test]
fn a_full_disk_is_seen_before_it_is_filled() {
    // The one file system that is never anything but full.
    let place = "/proc/flotilla";
    refused(
        "refused",
        |_, run| run.env("FLOTILLA_STATE", place),
        ["/proc has 0 MiB free, and a new stack needs 4096 MiB", "hint: Free some space, or set FLOTILLA_STATE"],
    );
}

#[test]
fn a_missing_program_is_named_with_what_brings_it() {
    refused(
        "refused",
        |stack, run| run.env("FLOTILLA_CACHE", stack.sandbox.path().join("empty")),
        [
            "empty/minio/current/minio is not installed",
            "hint: Run compose/install, which installs what is missing: MinIO (by compose/install), patroni 4.1.5 (by compose/install).",
        ],
    );
}

#[test]
fn tools_that_are_not_there_are_not_built_in_secret() {
    refused(
        "refused",
        |stack, run| run.env("FLOTILLA_BIN", stack.sandbox.path()),
        ["and there is no", "hint: Point it at the folder of the built tools, or unset it to have them built."],
    );
}

#[test]
fn a_name_that_no_certificate_could_carry_is_refused() {
    refused("No_name", |_, run| run, ["\"No_name\" is not a stack's name", "hint: Use 1 to 32 of a-z, 0-9 and -"]);
}
