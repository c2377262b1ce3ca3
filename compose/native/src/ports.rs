//! Who holds a port, by `/proc`.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use crate::process::{self, Identity};

/// The state of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// The process that listens on an address, in words; none when it can't be seen.
pub fn holder(address: SocketAddr) -> Option<String> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let inode = table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let fits = fields.get(3) == Some(&LISTEN) && fields.get(1).is_some_and(|local| listens(local, address));
        fits.then(|| fields.get(9).copied()).flatten()
    })?;
    let socket = format!("socket:[{inode}]");
    let process = process::all().into_iter().find(|process| holds(*process, &socket))?;
    let program = process.program().map_or_else(|| "a process".to_owned(), |path| path.display().to_string());
    Some(format!("{program} (process {})", process.pid))
}

/// Whether `ADDRESS:PORT`, in the table's hexadecimal, is this address or all of them.
fn listens(local: &str, wanted: SocketAddr) -> bool {
    let Some((address, port)) = local.split_once(':') else { return false };
    let (Ok(address), Ok(port)) = (u32::from_str_radix(address, 16), u16::from_str_radix(port, 16)) else {
        return false;
    };
    // The address is printed as one number of the machine's byte order.
    let address = std::net::Ipv4Addr::from(address.to_ne_bytes());
    port == wanted.port() && (address.is_unspecified() || IpAddr::V4(address) == wanted.ip())
}

fn holds(process: Identity, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{}/fd", process.pid)) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    #[test]
    fn finds_the_process_that_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let holder = super::holder(listener.local_addr().expect("bound")).expect("it can be seen");
        assert!(holder.contains(&format!("process {}", std::process::id())), "{holder}");
    }
}
