//! Comments that take findings away: which rules they name, and the reason that they give.

/// `a, b because` is the rules `a` and `b`, and the reason `because`.
pub fn rules_and_reason(text: &str) -> (Vec<String>, String) {
    let mut rules = Vec::new();
    let mut rest = text.trim_start_matches(':').trim();
    loop {
        let (word, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let more = word.ends_with(',');
        let word = word.trim_end_matches(':');
        rules.extend(word.split(',').filter(|rule| !rule.is_empty()).map(str::to_owned));
        rest = behind.trim_start();
        if !more || rest.is_empty() {
            let reason = rest.trim_start_matches(['-', '—', ':', ' ']);
            return (rules, reason.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rules_and_reason;

    #[test]
    fn rules_stand_before_the_first_word_without_a_comma() {
        let split = |text: &str| {
            let (rules, reason) = rules_and_reason(text);
            (rules.join("+"), reason)
        };
        assert_eq!(split(" a because b"), ("a".to_owned(), "because b".to_owned()));
        assert_eq!(split(" a, b  nobody reads it"), ("a+b".to_owned(), "nobody reads it".to_owned()));
        assert_eq!(split(" a,b: nobody"), ("a+b".to_owned(), "nobody".to_owned()));
        assert_eq!(split(" a"), ("a".to_owned(), String::new()));
        assert_eq!(split(""), (String::new(), String::new()));
    }
}
