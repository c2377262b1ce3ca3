//! A balancer: what the topology renders, its file, and what its workers have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use flotilla::config::Balancer;
use flotilla::target::Target;
use flotilla::{Context, Result};

use super::{Difference, Laid, Takes};
use crate::haproxy::cfg::Cfg;
use crate::haproxy::compare::{lines, made_by, running};
use crate::haproxy::socket;
use crate::render;
use crate::version::{Version, Versions};

/// Lays them side by side.
pub(super) async fn lay(cx: &Context, target: &Target, balancer: &Balancer, run: Option<&Path>) -> Result<Laid> {
    let config = cx.config()?;
    let run_folder = run.map_or_else(|| render::run_folder(config), Path::to_owned);
    let socket = balancer.stats_socket.clone().unwrap_or_else(|| run_folder.join(format!("{}.sock", balancer.name)));
    let info = socket::info(&socket).await?;
    let (rows, addresses) = (socket::stats(&socket).await?, socket::states(&socket).await?);
    let said = info.get("Version").cloned().unwrap_or_default();
    let versions = Versions { haproxy: Version::parse(&said), ..Versions::default() };
    let rendered = render::file(config, target, &run_folder, versions)?.ok_or_else(|| render::misplaced(target))?;
    let path = balancer.config_file.as_ref();
    let text = path.and_then(|path| Some((path, fs::read_to_string(path).ok()?)));
    let topology = Cfg::parse(&rendered.text);
    let file = text.as_ref().map(|(_, text)| Cfg::parse(text));

    let mut has = running(&rows, &addresses);
    has.extend(info.get("Maxconn").map(|n| ("global maxconn".to_owned(), n.clone())));
    let of = |cfg: &Cfg| {
        let mut all = made_by(cfg);
        let maxconn = lines(cfg).remove("global maxconn");
        all.extend(maxconn.map(|n| ("global maxconn".to_owned(), n)));
        all
    };
    let (wanted, own) = (of(&topology), file.as_ref().map(of));
    let visible: BTreeSet<&String> =
        has.keys().chain(wanted.keys()).chain(own.iter().flat_map(BTreeMap::keys)).collect();
    let mut keys = visible.len();
    let mut differences = Vec::new();
    for key in visible {
        let (wanted, runs) = (wanted.get(key), has.get(key));
        let in_file = own.as_ref().map(|own| own.get(key));
        if wanted == runs && in_file.is_none_or(|in_file| in_file == wanted) {
            continue;
        }
        let takes = if in_file.flatten() == wanted && wanted.is_some() { Takes::Reload } else { Takes::Apply };
        differences.push(difference(key, wanted, in_file.flatten(), runs, takes));
    }
    // What a worker doesn't show can be compared between the two texts.
    if let Some(file) = &file {
        let (wanted, own) = (lines(&topology), lines(file));
        for key in wanted.keys().chain(own.keys()).collect::<BTreeSet<_>>() {
            keys += 1;
            if wanted.get(key) != own.get(key)
                && !differences.iter().any(|known: &Difference| known.key.as_ref() == Some(key))
            {
                differences.push(difference(key, wanted.get(key), own.get(key), None, Takes::Apply));
            }
        }
    }
    Ok(Laid {
        program: "haproxy",
        version: said,
        file: text.map(|(path, _)| path.display().to_string()),
        keys,
        differences,
    })
}

fn difference(
    key: &str,
    topology: Option<&String>,
    file: Option<&String>,
    running: Option<&String>,
    takes: Takes,
) -> Difference {
    Difference {
        program: Some("haproxy"),
        key: Some(key.to_owned()),
        topology: topology.cloned(),
        file: file.cloned(),
        running: running.cloned(),
        takes: Some(takes),
    }
}
