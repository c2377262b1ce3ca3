# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_poolcfg_global_optspecs
    string join \n o/output= q/quiet v/verbose config= t/target= all j/jobs= deadline= dry-run yes confirm= lock-wait= jitter= reason= schema h/help V/version
end

function __fish_poolcfg_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_poolcfg_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_poolcfg_using_subcommand
    set -l cmd (__fish_poolcfg_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c poolcfg -n "__fish_poolcfg_needs_command" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c poolcfg -n "__fish_poolcfg_needs_command" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c poolcfg -n "__fish_poolcfg_needs_command" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c poolcfg -n "__fish_poolcfg_needs_command" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c poolcfg -n "__fish_poolcfg_needs_command" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c poolcfg -n "__fish_poolcfg_needs_command" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c poolcfg -n "__fish_poolcfg_needs_command" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c poolcfg -n "__fish_poolcfg_needs_command" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c poolcfg -n "__fish_poolcfg_needs_command" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c poolcfg -n "__fish_poolcfg_needs_command" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c poolcfg -n "__fish_poolcfg_needs_command" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c poolcfg -n "__fish_poolcfg_needs_command" -l all -d 'Work on every target'
complete -c poolcfg -n "__fish_poolcfg_needs_command" -l dry-run -d 'Say what would be done and touch nothing'
complete -c poolcfg -n "__fish_poolcfg_needs_command" -l yes -d 'Consent to what can\'t be undone'
complete -c poolcfg -n "__fish_poolcfg_needs_command" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c poolcfg -n "__fish_poolcfg_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c poolcfg -n "__fish_poolcfg_needs_command" -s V -l version -d 'Print version'
complete -c poolcfg -n "__fish_poolcfg_needs_command" -f -a "render" -d 'Write the configuration of poolers and balancers as records'
complete -c poolcfg -n "__fish_poolcfg_needs_command" -f -a "check" -d 'Say what is wrong with configuration files, and add up the connections'
complete -c poolcfg -n "__fish_poolcfg_needs_command" -f -a "diff" -d 'Compare files, running programs and the topology'
complete -c poolcfg -n "__fish_poolcfg_needs_command" -f -a "apply" -d 'Put a new configuration in force, or keep the old one'
complete -c poolcfg -n "__fish_poolcfg_needs_command" -f -a "advise" -d 'Advise on pool sizes from what pools carry'
complete -c poolcfg -n "__fish_poolcfg_needs_command" -f -a "stats" -d 'Show pools, traffic and servers'
complete -c poolcfg -n "__fish_poolcfg_needs_command" -f -a "hold-poolers" -d 'Hold poolers for an apply that may be killed'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -l run-folder -d 'The folder of control sockets [default: `run` beside the topology file]' -r -F
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -l for-version -d 'For this release instead of the installed one; may be repeated' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -l map -d 'For PgDog: the owners of buckets, as `shardctl map --export` writes them' -r -F
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -l all -d 'Work on every target'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -l dry-run -d 'Say what would be done and touch nothing'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -l yes -d 'Consent to what can\'t be undone'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l exclude -d 'Don\'t ask this rule; may be repeated' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l for-version -d 'For this release instead of the installed one; may be repeated' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l max-connections -d 'PostgreSQL\'s `max_connections`, where neither Patroni\'s file nor the topology has it' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l rto -d 'How long a failover may take until clients are served again, instead of what the topology promises' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l strict -d 'Fail on warnings as well as on errors'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l rules -d 'List the rules instead'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l all -d 'Work on every target'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l dry-run -d 'Say what would be done and touch nothing'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l yes -d 'Consent to what can\'t be undone'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -l run-folder -d 'The folder of control sockets [default: `run` beside the topology file]' -r -F
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -l all -d 'Work on every target'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -l dry-run -d 'Say what would be done and touch nothing'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -l yes -d 'Consent to what can\'t be undone'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l file -d 'Apply this file instead of what the topology renders; for one target' -r -F
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l user -d 'The user of PgBouncer\'s console, one of its `admin_users` [default: `pool_admin` of the topology]' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l pause -d 'Which clients of a PgBouncer to hold back while it reads its file again' -r -f -a "auto\t'Those of pools whose servers are replaced, led elsewhere or used otherwise'
always\t'All of them'
never\t'None'"
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l pause-limit -d 'How long transactions under way may take to end then, from 100ms to 5s' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l run-folder -d 'The folder of control sockets [default: `run` beside the topology file]' -r -F
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l no-trial -d 'Don\'t start the installed PgBouncer with the new file first'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l all -d 'Work on every target'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l dry-run -d 'Say what would be done and touch nothing'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l yes -d 'Consent to what can\'t be undone'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -l window -d 'How long to look' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -l samples -d 'How often to look meanwhile; at least 20' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -l least-transactions -d 'Fewer transactions than this in a pool\'s window are no evidence' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -l all -d 'Work on every target'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -l dry-run -d 'Say what would be done and touch nothing'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -l yes -d 'Consent to what can\'t be undone'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand advise" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -l run-folder -d 'The folder of control sockets [default: `run` beside the topology file]' -r -F
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -l all -d 'Work on every target'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -l dry-run -d 'Say what would be done and touch nothing'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -l yes -d 'Consent to what can\'t be undone'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand stats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -l user -d 'The user of the consoles [default: `pool_admin` of the topology]' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -l all -d 'Work on every target'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -l dry-run -d 'Say what would be done and touch nothing'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -l yes -d 'Consent to what can\'t be undone'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c poolcfg -n "__fish_poolcfg_using_subcommand hold-poolers" -s h -l help -d 'Print help (see more with \'--help\')'
