//! The text in which servers show their metrics: a name, labels, a number.

use std::collections::BTreeMap;

/// What a server showed.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    samples: BTreeMap<String, Vec<(String, f64)>>,
}

impl Exposition {
    /// Reads it; lines that are no samples are passed over.
    pub(crate) fn of(text: &str) -> Self {
        let mut samples: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            samples.entry(name.to_owned()).or_default().push((labels.trim_end_matches('}').to_owned(), value));
        }
        Self { samples }
    }

    /// The first number of this name.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.samples.get(name)?.first().map(|(_, value)| *value)
    }

    /// A quantile of a histogram, as the upper end of its bucket; none where nothing was counted.
    pub(crate) fn quantile(&self, name: &str, quantile: f64) -> Option<f64> {
        let buckets = self.samples.get(&format!("{name}_bucket"))?;
        let all = self.value(&format!("{name}_count")).filter(|all| *all > 0.0)?;
        let end = |labels: &str| labels.split("le=\"").nth(1)?.split('"').next()?.parse::<f64>().ok();
        let reached = buckets.iter().filter(|(_, count)| *count >= all * quantile);
        reached.filter_map(|(labels, _)| end(labels)).min_by(f64::total_cmp).filter(|end| end.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::Exposition;

    #[test]
    fn a_quantile_is_the_end_of_its_bucket() {
        let text = "# HELP x y\nw_bucket{le=\"0.001\"} 90\nw_bucket{le=\"0.5\"} 99\nw_bucket{le=\"+Inf\"} 100\nw_count 100\n\
                    leads 1\nnot a sample\n";
        let shown = Exposition::of(text);
        assert_eq!(shown.quantile("w", 0.9), Some(0.001));
        assert_eq!(shown.quantile("w", 0.99), Some(0.5));
        assert_eq!(shown.quantile("w", 1.0), None);
        assert_eq!((shown.value("leads"), shown.value("none")), (Some(1.0), None));
    }
}
