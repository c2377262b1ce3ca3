//! Settings that share a machine's memory among themselves.

use super::schema::Schema;
use super::settings::{Change, Server};

const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1_073_741_824.0;

/// What should be another, of a machine whose memory is known and whose data is more than what is set: with less
/// data nothing would be gained.
pub(super) fn changes(server: &Server, schema: &Schema) -> Vec<Change> {
    let Some(memory) = server.memory() else { return Vec::new() };
    [
        buffers(server, memory),
        cache(server, memory),
        work(server, memory),
        maintenance(server, schema, memory),
        huge(server),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn change(
    name: &'static str,
    bytes: f64,
    now: f64,
    server: &Server,
    why: &str,
    formula: &str,
    restarts: bool,
) -> Change {
    let mut seen = vec![(name, now, "bytes")];
    seen.extend(server.memory().map(|memory| ("memory", memory, "bytes")));
    seen.push(("data_bytes", server.data, "bytes"));
    let formula = format!("{formula}; {}", server.machine.terms);
    let value = format!("{:.0}MB", (bytes / MIB).floor().max(1.0));
    Change { name, value, restarts, seen, why: why.to_owned(), formula, is_counted: false, commands: Vec::new() }
}

/// A quarter is where the documentation says to begin; beyond two fifths the system's own cache is worth more.
fn buffers(server: &Server, memory: f64) -> Option<Change> {
    let now = server.shared_buffers;
    let wanted = memory / 4.0;
    let formula = || format!("memory / 4 = {memory:.0} / 4 = {wanted:.0} bytes");
    if now < memory * 0.15 && server.data > now {
        let why = "there is more data than fits into shared_buffers, and memory for more";
        return Some(change("shared_buffers", wanted, now, server, why, &formula(), true));
    }
    (now > memory * 0.45).then(|| {
        let why = "it leaves too little to the system's cache, to sorts and to connections";
        change("shared_buffers", wanted, now, server, why, &formula(), true)
    })
}

fn cache(server: &Server, memory: f64) -> Option<Change> {
    let now = server.effective_cache_size;
    let is_wrong = now < memory / 2.0 || now > memory;
    (is_wrong && server.data > now.min(memory)).then(|| {
        let wanted = memory * 0.75;
        let why = if now > memory {
            "the planner counts on more cache than there is memory"
        } else {
            "the planner takes indexes for slower than they are: it doesn't know how much is cached"
        };
        let formula = format!("memory × 3 / 4 = {memory:.0} × 0.75 = {wanted:.0} bytes");
        change("effective_cache_size", wanted, now, server, why, &formula, false)
    })
}

/// Every connection may sort at once, some of them twice.
fn work(server: &Server, memory: f64) -> Option<Change> {
    let (now, connections) = (server.work_mem, server.connections);
    let room = (memory - server.shared_buffers).max(0.0);
    let most = now * connections;
    (most > room).then(|| {
        let wanted = (room / connections / 3.0).max(MIB);
        let formula = format!(
            "(memory − shared_buffers) / max_connections / 3 = ({memory:.0} − {:.0}) / {connections} / 3 = {wanted:.0} bytes; now {connections} × {now:.0} = {most:.0} bytes",
            server.shared_buffers
        );
        let why = "when every connection sorts at once there is not enough memory, and the kernel kills the server";
        change("work_mem", wanted, now, server, why, &formula, false)
    })
}

fn maintenance(server: &Server, schema: &Schema, memory: f64) -> Option<Change> {
    let now = server.maintenance_work_mem;
    let wanted = (memory / 16.0).min(2.0 * GIB);
    let largest = schema.indexes.iter().map(|index| index.bytes).fold(0.0, f64::max);
    (now < wanted / 2.0 && largest > now).then(|| {
        let formula =
            format!("memory / 16, at most 2 GiB = {wanted:.0} bytes; the largest index has {largest:.0} bytes");
        let why = "building the largest index, and vacuum of its table, take several rounds";
        change("maintenance_work_mem", wanted, now, server, why, &formula, false)
    })
}

/// From here on the tables of small pages cost memory and time that matter.
const HUGE_FROM: f64 = 8.0 * GIB;

fn huge(server: &Server) -> Option<Change> {
    let (have, needed) = (server.machine.huge_pages?, server.shared_huge_pages);
    let is_worth_it = server.shared_buffers >= HUGE_FROM && needed > 0.0;
    (is_worth_it && (have < needed || server.huge_pages == "off")).then(|| Change {
        name: "huge_pages",
        value: "try".to_owned(),
        restarts: true,
        seen: vec![
            ("huge_pages_of_machine", have, "pages"),
            ("huge_pages_needed", needed, "pages"),
            ("shared_buffers", server.shared_buffers, "bytes"),
        ],
        why: "each connection keeps a table of its own of millions of small pages".to_owned(),
        formula: format!("shared_memory_size_in_huge_pages = {needed} pages, and the machine has set aside {have}"),
        is_counted: false,
        commands: vec![format!("sysctl -w vm.nr_hugepages={needed:.0}")],
    })
}
