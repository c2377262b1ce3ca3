//! A pooler: what the topology renders, its file, and what its console shows.

use std::collections::BTreeSet;
use std::fs;

use flotilla::config::Pooler;
use flotilla::target::Target;
use flotilla::{Context, Result};

use super::{Difference, Laid, Takes};
use crate::pgbouncer::compare::{Differs, differences};
use crate::pgbouncer::console::{Console, Running};
use crate::pgbouncer::settings::Settings;
use crate::render;
use crate::version::Versions;

/// Lays them side by side.
pub(super) async fn lay(cx: &Context, target: &Target, pooler: &Pooler) -> Result<Laid> {
    let config = cx.config()?;
    let console = Console::open(cx, config, pooler, &config.users.monitor).await?;
    let version = console.version().await?;
    let running = Running::read(&console).await?;
    console.close().await;
    let versions = Versions { pgbouncer: Some(version), ..Versions::default() };
    let rendered = render::file(config, target, &render::run_folder(config), versions)?
        .ok_or_else(|| render::misplaced(target))?;
    let wanted = Settings::new(&rendered.path, &rendered.text, version);
    // A file elsewhere can't be seen from here; the console can.
    let path = pooler.config_file.as_ref();
    let file = path.and_then(|path| Some((path, Settings::new(path, &fs::read_to_string(path).ok()?, version))));
    let (from_topology, keys) = differences(&wanted, &running);
    let from_file = file.as_ref().map(|(_, settings)| differences(settings, &running).0);
    let differing: BTreeSet<&String> =
        from_topology.iter().chain(from_file.iter().flatten()).map(|differs| &differs.key).collect();
    let lay = |key: &String| {
        let of = |list: &[Differs]| list.iter().find(|differs| differs.key == *key).cloned();
        let (topology, own) = (of(&from_topology), from_file.as_deref().map(of));
        let any = topology.clone().or_else(|| own.clone().flatten());
        let running = any.as_ref().and_then(|differs| differs.running.clone());
        // Where a side doesn't differ from what runs, it is what runs.
        let side = |differs: Option<Differs>| differs.map_or_else(|| running.clone(), |differs| differs.wanted);
        let file = own.clone().map(side);
        let stale = own.flatten();
        let restart = any.as_ref().is_some_and(|differs| differs.restart);
        let takes = match (&topology, &stale) {
            (Some(wanted), Some(has)) if wanted.wanted == has.wanted && restart => Takes::Restart,
            (Some(wanted), Some(has)) if wanted.wanted == has.wanted => Takes::Reload,
            (None, Some(_)) | (Some(_), _) => Takes::Apply,
            (None, None) => Takes::Reload,
        };
        Difference {
            program: Some("pgbouncer"),
            key: Some(key.clone()),
            topology: side(topology),
            file: file.flatten(),
            running,
            takes: Some(takes),
        }
    };
    Ok(Laid {
        program: "pgbouncer",
        version: version.to_string(),
        file: file.as_ref().map(|(path, _)| path.display().to_string()),
        keys,
        differences: differing.into_iter().map(lay).collect(),
    })
}
