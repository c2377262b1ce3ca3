# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_healthcheck_global_optspecs
    string join \n o/output= q/quiet v/verbose config= t/target= all deadline= dry-run yes confirm= lock-wait= jitter= reason= schema j/jobs= h/help V/version
end

function __fish_healthcheck_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_healthcheck_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_healthcheck_using_subcommand
    set -l cmd (__fish_healthcheck_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c healthcheck -n "__fish_healthcheck_needs_command" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c healthcheck -n "__fish_healthcheck_needs_command" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c healthcheck -n "__fish_healthcheck_needs_command" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c healthcheck -n "__fish_healthcheck_needs_command" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c healthcheck -n "__fish_healthcheck_needs_command" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c healthcheck -n "__fish_healthcheck_needs_command" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c healthcheck -n "__fish_healthcheck_needs_command" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c healthcheck -n "__fish_healthcheck_needs_command" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c healthcheck -n "__fish_healthcheck_needs_command" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c healthcheck -n "__fish_healthcheck_needs_command" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c healthcheck -n "__fish_healthcheck_needs_command" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c healthcheck -n "__fish_healthcheck_needs_command" -l all -d 'Work on every target'
complete -c healthcheck -n "__fish_healthcheck_needs_command" -l dry-run -d 'Say what would be done and touch nothing'
complete -c healthcheck -n "__fish_healthcheck_needs_command" -l yes -d 'Consent to what can\'t be undone'
complete -c healthcheck -n "__fish_healthcheck_needs_command" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c healthcheck -n "__fish_healthcheck_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c healthcheck -n "__fish_healthcheck_needs_command" -s V -l version -d 'Print version'
complete -c healthcheck -n "__fish_healthcheck_needs_command" -f -a "probe" -d 'Ask every component at the same time how it is'
complete -c healthcheck -n "__fish_healthcheck_needs_command" -f -a "serve" -d 'Show health over HTTP: for programs, for Prometheus, and as a page'
complete -c healthcheck -n "__fish_healthcheck_needs_command" -f -a "agent" -d 'Tell HAProxy about nodes, in the protocol of its agent checks'
complete -c healthcheck -n "__fish_healthcheck_needs_command" -f -a "alert" -d 'Tell people when something stays bad, and when it is over'
complete -c healthcheck -n "__fish_healthcheck_needs_command" -f -a "advise" -d 'Advise on indexes, statements, bloat and settings, with the SQL that mends'
complete -c healthcheck -n "__fish_healthcheck_needs_command" -f -a "audit" -d 'Look for weaknesses, by reading and by trying what must not succeed'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -l component -d 'Only this component; may be repeated' -r -f -a "shard\t''
postgresql\t''
patroni\t''
client\t''
pgbouncer\t''
haproxy\t''
etcd\t''
redis\t''
store\t''
backup\t''
job\t''
migration\t''
certificate\t''"
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -l timeout -d 'How long one probe may take [default: `health.timeout_ms`]' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -l fail-on -d 'What makes a line an error' -r -f -a "warn\t'Warnings as well'
fail\t'What isn\'t well, or can\'t be told'"
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -l nagios -d 'Print one line and end as a plugin of Nagios: 0 well, 1 warning, 2 critical, 3 unknown'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -l all -d 'Work on every target'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -l dry-run -d 'Say what would be done and touch nothing'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -l yes -d 'Consent to what can\'t be undone'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand probe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l listen -d 'Where to listen' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l token-file -d 'A file with the token that callers must show; needed off loopback' -r -F
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l tls-cert -d 'The certificate to serve with; needed off loopback' -r -F
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l tls-key -d 'Its private key' -r -F
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l interval -d 'How often to ask [default: `health.interval_ms`]' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l timeout -d 'How long one probe may take [default: `health.timeout_ms`]' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l all -d 'Work on every target'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l dry-run -d 'Say what would be done and touch nothing'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l yes -d 'Consent to what can\'t be undone'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -l listen -d 'Where to listen' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -l silence-file -d 'Nodes that a silence of this file names are put into maintenance' -r -F
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -l interval -d 'How often to ask [default: `health.interval_ms`]' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -l timeout -d 'How long one probe may take [default: `health.timeout_ms`]' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -l all -d 'Work on every target'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -l dry-run -d 'Say what would be done and touch nothing'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -l yes -d 'Consent to what can\'t be undone'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand agent" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l alertmanager -d 'Post to this Alertmanager, or whatever takes its API; may be repeated' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l webhook -d 'Post to this URL as Alertmanager\'s webhooks do; may be repeated' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l command -d 'Run this shell command with the message on its standard input; its subject is `$FLOTILLA_SUBJECT`' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l receiver-token-file -d 'A file with the token that Alertmanager and webhooks want' -r -F
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l state -d 'Where the state is kept [default: `alerts.json` in the folder for state]' -r -F
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l failures -d 'How often in a row something must be bad before anybody is told' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l successes -d 'How often in a row it must be well before it is over' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l remind -d 'After how long to say again that it goes on' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l from -d 'From which health on to tell' -r -f -a "warn\t'Warnings as well'
fail\t'What isn\'t well, or can\'t be told'"
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l silence-file -d 'What not to tell of: a file of [[silence]]' -r -F
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l after-switchover -d 'After a switchover or a drill of a shard, tell nothing about it for so long' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l keep -d 'For how long Alertmanager keeps an alert that it hears no more of' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l all -d 'Work on every target'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l dry-run -d 'Say what would be done and touch nothing'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l yes -d 'Consent to what can\'t be undone'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand alert" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -l least-window -d 'How long an index must have gone unused, on every node' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -l least-mib -d 'Tables and indexes below this size are left alone' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -l least-calls -d 'Statements that ran less often are left alone' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -l statements -d 'How many of the statements that took the most time are looked at' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -l all -d 'Work on every target'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -l dry-run -d 'Say what would be done and touch nothing'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -l yes -d 'Consent to what can\'t be undone'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand advise" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -l component -d 'Only this component; may be repeated' -r -f -a "postgresql\t''
pgbouncer\t''
haproxy\t''
patroni\t''
etcd\t''
redis\t''
store\t''
backup\t''"
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -l timeout -d 'How long looking at one instance may take' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -l fail-on -d 'What makes a line an error' -r -f -a "warn\t'Warnings as well'
fail\t'What isn\'t safe, or can\'t be told'"
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -l rules -d 'List the rules instead'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -l all -d 'Work on every target'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -l dry-run -d 'Say what would be done and touch nothing'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -l yes -d 'Consent to what can\'t be undone'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c healthcheck -n "__fish_healthcheck_using_subcommand audit" -s h -l help -d 'Print help (see more with \'--help\')'
