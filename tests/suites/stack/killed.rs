//! A test run that is killed leaves no stack behind either.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use flotilla_tests::{Sandbox, until};

use super::{Stack, alone, any_is_there};

const PORT: u16 = 19000;

#[test]
fn a_killed_test_leaves_nothing_of_its_stack() {
    let _alone = alone();
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "stack::killed::holds_a_stack_until_it_is_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(test.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.into_iter().find_map(|line| line.strip_prefix("stack: ").map(str::to_owned)).unwrap();
    let (folder, segments) = line.split_once(' ').unwrap();
    let segments: Vec<String> = segments.split(' ').map(str::to_owned).collect();
    assert_eq!(segments.len(), 6);
    assert!(any_is_there(&segments));
    // To be asked by its name and folder, now that its sandbox is another process's.
    let left = || {
        let works_there = |p: &flotilla_native::process::Identity| p.folder().is_some_and(|f| f.starts_with(folder));
        flotilla_native::process::all().into_iter().filter(works_there).count()
    };
    assert!(left() > 40, "the stack runs");
    test.kill().unwrap();
    test.wait().unwrap();
    until("processes, files, ports and shared memory go with the test", || {
        let files = std::path::Path::new(folder).exists();
        (left() == 0 && !files && !any_is_there(&segments) && super::listening(PORT).is_empty()).then_some(())
    });
}

#[test]
#[ignore = "runs as the process that another test kills"]
#[expect(clippy::print_stdout, reason = "tells the other test what to look for")]
fn holds_a_stack_until_it_is_killed() {
    let sandbox = Sandbox::on_disk();
    let stack = Stack::new(&sandbox, "killed", PORT);
    stack.up().ok();
    println!("\nstack: {} {}", sandbox.path().display(), stack.segments().join(" "));
    std::thread::sleep(Duration::from_mins(5));
}
