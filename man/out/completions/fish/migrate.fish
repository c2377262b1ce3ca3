# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_migrate_global_optspecs
    string join \n o/output= q/quiet v/verbose config= t/target= all j/jobs= deadline= dry-run yes confirm= lock-wait= jitter= reason= schema h/help V/version
end

function __fish_migrate_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_migrate_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_migrate_using_subcommand
    set -l cmd (__fish_migrate_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c migrate -n "__fish_migrate_needs_command" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c migrate -n "__fish_migrate_needs_command" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c migrate -n "__fish_migrate_needs_command" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c migrate -n "__fish_migrate_needs_command" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c migrate -n "__fish_migrate_needs_command" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c migrate -n "__fish_migrate_needs_command" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c migrate -n "__fish_migrate_needs_command" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c migrate -n "__fish_migrate_needs_command" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c migrate -n "__fish_migrate_needs_command" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c migrate -n "__fish_migrate_needs_command" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c migrate -n "__fish_migrate_needs_command" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c migrate -n "__fish_migrate_needs_command" -l all -d 'Work on every target'
complete -c migrate -n "__fish_migrate_needs_command" -l dry-run -d 'Say what would be done and touch nothing'
complete -c migrate -n "__fish_migrate_needs_command" -l yes -d 'Consent to what can\'t be undone'
complete -c migrate -n "__fish_migrate_needs_command" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c migrate -n "__fish_migrate_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c migrate -n "__fish_migrate_needs_command" -s V -l version -d 'Print version'
complete -c migrate -n "__fish_migrate_needs_command" -f -a "new" -d 'Write the next version and its undo, empty or by a pattern'
complete -c migrate -n "__fish_migrate_needs_command" -f -a "info" -d 'Show what has become of each migration on each shard'
complete -c migrate -n "__fish_migrate_needs_command" -f -a "plan" -d 'Show what would be applied, in a way that can\'t write'
complete -c migrate -n "__fish_migrate_needs_command" -f -a "apply" -d 'Apply what is pending, in waves over the shards'
complete -c migrate -n "__fish_migrate_needs_command" -f -a "undo" -d 'Take versions back by their U scripts'
complete -c migrate -n "__fish_migrate_needs_command" -f -a "validate" -d 'Check what is applied against the scripts, and the shards against each other'
complete -c migrate -n "__fish_migrate_needs_command" -f -a "lint" -d 'Say what is wrong with scripts, before any server sees them'
complete -c migrate -n "__fish_migrate_needs_command" -f -a "baseline" -d 'Begin the history of a database that has tables already'
complete -c migrate -n "__fish_migrate_needs_command" -f -a "repair" -d 'Make the history say what the scripts say'
complete -c migrate -n "__fish_migrate_needs_command" -f -a "history" -d 'Show who applied what where, when and why'
complete -c migrate -n "__fish_migrate_using_subcommand new" -l pattern -d 'Pattern to write the migration by' -r
complete -c migrate -n "__fish_migrate_using_subcommand new" -s p -l param -d 'What the pattern is to know, such as table=users; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand new" -l version -d 'Version to write, instead of the next one' -r
complete -c migrate -n "__fish_migrate_using_subcommand new" -l dir -d 'Folder of the scripts; may be repeated' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand new" -l placeholder -d 'Value for `${NAME}` in scripts; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand new" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c migrate -n "__fish_migrate_using_subcommand new" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand new" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand new" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c migrate -n "__fish_migrate_using_subcommand new" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c migrate -n "__fish_migrate_using_subcommand new" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c migrate -n "__fish_migrate_using_subcommand new" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c migrate -n "__fish_migrate_using_subcommand new" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c migrate -n "__fish_migrate_using_subcommand new" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c migrate -n "__fish_migrate_using_subcommand new" -l timestamp -d 'Number the version by the time, UTC'
complete -c migrate -n "__fish_migrate_using_subcommand new" -l repeatable -d 'Write a script that runs whenever it has changed, which has neither version nor undo'
complete -c migrate -n "__fish_migrate_using_subcommand new" -l list -d 'List the patterns instead'
complete -c migrate -n "__fish_migrate_using_subcommand new" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c migrate -n "__fish_migrate_using_subcommand new" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c migrate -n "__fish_migrate_using_subcommand new" -l all -d 'Work on every target'
complete -c migrate -n "__fish_migrate_using_subcommand new" -l dry-run -d 'Say what would be done and touch nothing'
complete -c migrate -n "__fish_migrate_using_subcommand new" -l yes -d 'Consent to what can\'t be undone'
complete -c migrate -n "__fish_migrate_using_subcommand new" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c migrate -n "__fish_migrate_using_subcommand new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c migrate -n "__fish_migrate_using_subcommand info" -l dir -d 'Folder of the scripts; may be repeated' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand info" -l placeholder -d 'Value for `${NAME}` in scripts; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand info" -l history-table -d 'History table, such as `app.history`' -r
complete -c migrate -n "__fish_migrate_using_subcommand info" -l role -d 'Role that owns what scripts make; empty for the login itself' -r
complete -c migrate -n "__fish_migrate_using_subcommand info" -l to -d 'Version to stop at, or `next`, `current`, `latest`; `V?` may be missing' -r
complete -c migrate -n "__fish_migrate_using_subcommand info" -l ignore -d 'Let validation pass `kind:state`, such as *:missing; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand info" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c migrate -n "__fish_migrate_using_subcommand info" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand info" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand info" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c migrate -n "__fish_migrate_using_subcommand info" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c migrate -n "__fish_migrate_using_subcommand info" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c migrate -n "__fish_migrate_using_subcommand info" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c migrate -n "__fish_migrate_using_subcommand info" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c migrate -n "__fish_migrate_using_subcommand info" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c migrate -n "__fish_migrate_using_subcommand info" -l out-of-order -d 'Apply versions older than the latest applied one as well'
complete -c migrate -n "__fish_migrate_using_subcommand info" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c migrate -n "__fish_migrate_using_subcommand info" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c migrate -n "__fish_migrate_using_subcommand info" -l all -d 'Work on every target'
complete -c migrate -n "__fish_migrate_using_subcommand info" -l dry-run -d 'Say what would be done and touch nothing'
complete -c migrate -n "__fish_migrate_using_subcommand info" -l yes -d 'Consent to what can\'t be undone'
complete -c migrate -n "__fish_migrate_using_subcommand info" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c migrate -n "__fish_migrate_using_subcommand info" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l dir -d 'Folder of the scripts; may be repeated' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l placeholder -d 'Value for `${NAME}` in scripts; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l history-table -d 'History table, such as `app.history`' -r
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l role -d 'Role that owns what scripts make; empty for the login itself' -r
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l to -d 'Version to stop at, or `next`, `current`, `latest`; `V?` may be missing' -r
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l ignore -d 'Let validation pass `kind:state`, such as *:missing; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand plan" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand plan" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand plan" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l out-of-order -d 'Apply versions older than the latest applied one as well'
complete -c migrate -n "__fish_migrate_using_subcommand plan" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c migrate -n "__fish_migrate_using_subcommand plan" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l all -d 'Work on every target'
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l dry-run -d 'Say what would be done and touch nothing'
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l yes -d 'Consent to what can\'t be undone'
complete -c migrate -n "__fish_migrate_using_subcommand plan" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c migrate -n "__fish_migrate_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l dir -d 'Folder of the scripts; may be repeated' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l placeholder -d 'Value for `${NAME}` in scripts; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l history-table -d 'History table, such as `app.history`' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l role -d 'Role that owns what scripts make; empty for the login itself' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l to -d 'Version to stop at, or `next`, `current`, `latest`; `V?` may be missing' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l ignore -d 'Let validation pass `kind:state`, such as *:missing; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l lock-timeout -d 'How long a statement may wait for a lock, and with it all that queues behind' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l retry-for -d 'How long a script that met a lock is tried again before it fails' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l waves -d 'How many shards to be done after each wave, as numbers or percentages' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l verify -d 'File of queries that must all be true on each shard of a wave before the next begins; may be repeated' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l max-lag -d 'Don\'t begin a wave while one of its replicas is further behind' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l max-waiting -d 'Don\'t begin a wave while more sessions than this wait for locks on one of its shards' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l gate-wait -d 'How long to wait for lag and locks to go down' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l soak -d 'How long to watch a wave before the next begins' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l max-failed -d 'How many shards may fail before no further wave begins' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand apply" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l out-of-order -d 'Apply versions older than the latest applied one as well'
complete -c migrate -n "__fish_migrate_using_subcommand apply" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c migrate -n "__fish_migrate_using_subcommand apply" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l all -d 'Work on every target'
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l dry-run -d 'Say what would be done and touch nothing'
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l yes -d 'Consent to what can\'t be undone'
complete -c migrate -n "__fish_migrate_using_subcommand apply" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c migrate -n "__fish_migrate_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l dir -d 'Folder of the scripts; may be repeated' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l placeholder -d 'Value for `${NAME}` in scripts; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l history-table -d 'History table, such as `app.history`' -r
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l role -d 'Role that owns what scripts make; empty for the login itself' -r
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l lock-timeout -d 'How long a statement may wait for a lock, and with it all that queues behind' -r
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l retry-for -d 'How long a script that met a lock is tried again before it fails' -r
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l to -d 'Version to go back to; it stays. Without it, the newest version is taken back' -r
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l undo-row -d 'Row that says the version is gone; Flyway\'s free edition refuses histories with `undo-sql`' -r -f -a "delete\t'`DELETE`: every edition of Flyway understands it'
undo-sql\t'`UNDO_SQL`: what Flyway\'s paid edition writes'"
complete -c migrate -n "__fish_migrate_using_subcommand undo" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand undo" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand undo" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c migrate -n "__fish_migrate_using_subcommand undo" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c migrate -n "__fish_migrate_using_subcommand undo" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l all -d 'Work on every target'
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l dry-run -d 'Say what would be done and touch nothing'
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l yes -d 'Consent to what can\'t be undone'
complete -c migrate -n "__fish_migrate_using_subcommand undo" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c migrate -n "__fish_migrate_using_subcommand undo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l dir -d 'Folder of the scripts; may be repeated' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l placeholder -d 'Value for `${NAME}` in scripts; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l history-table -d 'History table, such as `app.history`' -r
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l role -d 'Role that owns what scripts make; empty for the login itself' -r
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l to -d 'Version to stop at, or `next`, `current`, `latest`; `V?` may be missing' -r
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l ignore -d 'Let validation pass `kind:state`, such as *:missing; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand validate" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand validate" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand validate" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l out-of-order -d 'Apply versions older than the latest applied one as well'
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l no-compare -d 'Compare only with the scripts, not the shards with each other'
complete -c migrate -n "__fish_migrate_using_subcommand validate" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c migrate -n "__fish_migrate_using_subcommand validate" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l all -d 'Work on every target'
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l dry-run -d 'Say what would be done and touch nothing'
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l yes -d 'Consent to what can\'t be undone'
complete -c migrate -n "__fish_migrate_using_subcommand validate" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c migrate -n "__fish_migrate_using_subcommand validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l dir -d 'Folder of the scripts; may be repeated' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l placeholder -d 'Value for `${NAME}` in scripts; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l history-table -d 'History table, such as `app.history`' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l role -d 'Role that owns what scripts make; empty for the login itself' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l include -d 'Ask this rule besides, which is off; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l exclude -d 'Don\'t ask this rule; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l max-block -d 'With --live: how long traffic may be blocked' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l scan-rate -d 'With --live: MB of rows that are read each second' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l index-rate -d 'With --live: MB of rows that an index is built of each second' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l rewrite-rate -d 'With --live: MB of rows and indexes that are written again each second' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand lint" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l strict -d 'Fail on warnings as well as on errors'
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l rules -d 'List the rules instead'
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l live -d 'Say instead which locks pending scripts take on the shards, and for how long'
complete -c migrate -n "__fish_migrate_using_subcommand lint" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c migrate -n "__fish_migrate_using_subcommand lint" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l all -d 'Work on every target'
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l dry-run -d 'Say what would be done and touch nothing'
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l yes -d 'Consent to what can\'t be undone'
complete -c migrate -n "__fish_migrate_using_subcommand lint" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c migrate -n "__fish_migrate_using_subcommand lint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l dir -d 'Folder of the scripts; may be repeated' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l placeholder -d 'Value for `${NAME}` in scripts; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l history-table -d 'History table, such as `app.history`' -r
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l role -d 'Role that owns what scripts make; empty for the login itself' -r
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l lock-timeout -d 'How long a statement may wait for a lock, and with it all that queues behind' -r
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l retry-for -d 'How long a script that met a lock is tried again before it fails' -r
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l version -d 'Version that the database is at; what comes after it is applied' -r
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l description -d 'Description of the baseline\'s row' -r
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l all -d 'Work on every target'
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l dry-run -d 'Say what would be done and touch nothing'
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l yes -d 'Consent to what can\'t be undone'
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c migrate -n "__fish_migrate_using_subcommand baseline" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l dir -d 'Folder of the scripts; may be repeated' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l placeholder -d 'Value for `${NAME}` in scripts; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l history-table -d 'History table, such as `app.history`' -r
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l role -d 'Role that owns what scripts make; empty for the login itself' -r
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l to -d 'Version to stop at, or `next`, `current`, `latest`; `V?` may be missing' -r
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l ignore -d 'Let validation pass `kind:state`, such as *:missing; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l lock-timeout -d 'How long a statement may wait for a lock, and with it all that queues behind' -r
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l retry-for -d 'How long a script that met a lock is tried again before it fails' -r
complete -c migrate -n "__fish_migrate_using_subcommand repair" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand repair" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand repair" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l out-of-order -d 'Apply versions older than the latest applied one as well'
complete -c migrate -n "__fish_migrate_using_subcommand repair" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c migrate -n "__fish_migrate_using_subcommand repair" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l all -d 'Work on every target'
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l dry-run -d 'Say what would be done and touch nothing'
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l yes -d 'Consent to what can\'t be undone'
complete -c migrate -n "__fish_migrate_using_subcommand repair" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c migrate -n "__fish_migrate_using_subcommand repair" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c migrate -n "__fish_migrate_using_subcommand history" -l since -d 'Show only what happened within this time' -r
complete -c migrate -n "__fish_migrate_using_subcommand history" -l run -d 'Show only this run' -r
complete -c migrate -n "__fish_migrate_using_subcommand history" -l limit -d 'Show at most this many lines of each shard, the newest' -r
complete -c migrate -n "__fish_migrate_using_subcommand history" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c migrate -n "__fish_migrate_using_subcommand history" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c migrate -n "__fish_migrate_using_subcommand history" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c migrate -n "__fish_migrate_using_subcommand history" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c migrate -n "__fish_migrate_using_subcommand history" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c migrate -n "__fish_migrate_using_subcommand history" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c migrate -n "__fish_migrate_using_subcommand history" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c migrate -n "__fish_migrate_using_subcommand history" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c migrate -n "__fish_migrate_using_subcommand history" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c migrate -n "__fish_migrate_using_subcommand history" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c migrate -n "__fish_migrate_using_subcommand history" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c migrate -n "__fish_migrate_using_subcommand history" -l all -d 'Work on every target'
complete -c migrate -n "__fish_migrate_using_subcommand history" -l dry-run -d 'Say what would be done and touch nothing'
complete -c migrate -n "__fish_migrate_using_subcommand history" -l yes -d 'Consent to what can\'t be undone'
complete -c migrate -n "__fish_migrate_using_subcommand history" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c migrate -n "__fish_migrate_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
