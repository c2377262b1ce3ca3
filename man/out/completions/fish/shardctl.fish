# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_shardctl_global_optspecs
    string join \n o/output= q/quiet v/verbose config= t/target= all j/jobs= deadline= dry-run yes confirm= lock-wait= jitter= reason= schema h/help V/version
end

function __fish_shardctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_shardctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_shardctl_using_subcommand
    set -l cmd (__fish_shardctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c shardctl -n "__fish_shardctl_needs_command" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c shardctl -n "__fish_shardctl_needs_command" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c shardctl -n "__fish_shardctl_needs_command" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c shardctl -n "__fish_shardctl_needs_command" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c shardctl -n "__fish_shardctl_needs_command" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c shardctl -n "__fish_shardctl_needs_command" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c shardctl -n "__fish_shardctl_needs_command" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c shardctl -n "__fish_shardctl_needs_command" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c shardctl -n "__fish_shardctl_needs_command" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c shardctl -n "__fish_shardctl_needs_command" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c shardctl -n "__fish_shardctl_needs_command" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c shardctl -n "__fish_shardctl_needs_command" -l all -d 'Work on every target'
complete -c shardctl -n "__fish_shardctl_needs_command" -l dry-run -d 'Say what would be done and touch nothing'
complete -c shardctl -n "__fish_shardctl_needs_command" -l yes -d 'Consent to what can\'t be undone'
complete -c shardctl -n "__fish_shardctl_needs_command" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c shardctl -n "__fish_shardctl_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c shardctl -n "__fish_shardctl_needs_command" -s V -l version -d 'Print version'
complete -c shardctl -n "__fish_shardctl_needs_command" -f -a "init" -d 'Set up schema `flotilla`, roles and ownership on every shard'
complete -c shardctl -n "__fish_shardctl_needs_command" -f -a "targets" -d 'List the servers and shards of the topology'
complete -c shardctl -n "__fish_shardctl_needs_command" -f -a "status" -d 'One screen: shards, who leads, lag, epochs, pools, last ledger lines'
complete -c shardctl -n "__fish_shardctl_needs_command" -f -a "map" -d 'Show who owns which bucket, compare all shards, export it for applications'
complete -c shardctl -n "__fish_shardctl_needs_command" -f -a "route" -d 'Say which shard a key or a row id belongs to'
complete -c shardctl -n "__fish_shardctl_needs_command" -f -a "key" -d 'Make and take apart row ids and user ids'
complete -c shardctl -n "__fish_shardctl_needs_command" -f -a "sql" -d 'Run SQL on the shard that owns a key, or on every shard'
complete -c shardctl -n "__fish_shardctl_needs_command" -f -a "switchover" -d 'Let another node lead a shard without an error for clients'
complete -c shardctl -n "__fish_shardctl_needs_command" -f -a "drill" -d 'Break something on purpose and measure what clients see of it'
complete -c shardctl -n "__fish_shardctl_needs_command" -f -a "hold-poolers" -d 'Hold poolers for a switchover that may be killed'
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -l all -d 'Work on every target'
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -l dry-run -d 'Say what would be done and touch nothing'
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -l yes -d 'Consent to what can\'t be undone'
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c shardctl -n "__fish_shardctl_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -l role -d 'Only servers that have this role now; asks the servers' -r -f -a "primary\t''
replica\t''"
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -l kind -d 'Only targets of this kind; may be repeated' -r -f -a "shard\t''
node\t''
pooler\t''
balancer\t''
etcd\t''
redis\t''"
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -l shard -d 'Only this shard and its servers; may be repeated' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -l all -d 'Work on every target'
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -l dry-run -d 'Say what would be done and touch nothing'
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -l yes -d 'Consent to what can\'t be undone'
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c shardctl -n "__fish_shardctl_using_subcommand targets" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -l ledger -d 'How many of the last ledger lines to show' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -l all -d 'Work on every target'
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -l dry-run -d 'Say what would be done and touch nothing'
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -l yes -d 'Consent to what can\'t be undone'
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c shardctl -n "__fish_shardctl_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -l export -d 'Write the map as one JSON file, to standard output or to FILE' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -l serve -d 'Serve the map over HTTP at this loopback address until stopped: GET /map, with `ETag`' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -l refresh -d 'How often `--serve` asks the shards again' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -l reconcile -d 'Settle what the shards disagree about: the higher epoch wins, what nobody owns goes back to the one shard that holds its rows'
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -l all -d 'Work on every target'
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -l dry-run -d 'Say what would be done and touch nothing'
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -l yes -d 'Consent to what can\'t be undone'
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c shardctl -n "__fish_shardctl_using_subcommand map" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -l by -d 'Whether the values are shard keys or row ids; never guessed' -r -f -a "key\t'A shard key: the user\'s id'
id\t'A row id, made by `flotilla.next_id` or `shardctl key new`'"
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -l field -d 'Input lines are JSON objects, and this key of theirs holds the value' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -l map -d 'Use this exported map and ask no server' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -l all -d 'Work on every target'
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -l dry-run -d 'Say what would be done and touch nothing'
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -l yes -d 'Consent to what can\'t be undone'
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c shardctl -n "__fish_shardctl_using_subcommand route" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -l all -d 'Work on every target'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -l dry-run -d 'Say what would be done and touch nothing'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -l yes -d 'Consent to what can\'t be undone'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -f -a "new" -d 'Make new ids, unique over all shards and processes, sorted by time'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and not __fish_seen_subcommand_from new parse" -f -a "parse" -d 'Say when and in which bucket an id was made'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -l for -d 'Row ids for the user with this key' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -s n -l count -d 'How many' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -l user -d 'Ids of new users: each is a key that hashes to the bucket it carries'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -l all -d 'Work on every target'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -l dry-run -d 'Say what would be done and touch nothing'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -l yes -d 'Consent to what can\'t be undone'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -l all -d 'Work on every target'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -l dry-run -d 'Say what would be done and touch nothing'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -l yes -d 'Consent to what can\'t be undone'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c shardctl -n "__fish_shardctl_using_subcommand key; and __fish_seen_subcommand_from parse" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -s f -l file -d 'Run this file instead: its statements are one transaction, and its rows aren\'t shown' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l key -d 'Run on the shard that owns this key, through the pool' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l param -d 'The value of $1, then of $2, …; the server infers the types' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l null -d 'A --param that reads TEXT is NULL' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l max-lag -d 'Read from a replica that is behind by no more than this' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l as -d 'Whom to log in as: app goes through the pool, the others to the server' -r -f -a "app\t'The application\'s role'
migrator\t'The role that changes the schema, as the owner of the tables'
admin\t'The administrator'
monitor\t'The role that reads statistics'"
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l copy -d 'Load routed lines from standard input into this table: TABLE or \'TABLE(COLUMN, …)\'' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l new-id -d 'Give each loaded row a new row id in this column' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l read-only -d 'Run in a transaction that may only read'
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l all -d 'Work on every target'
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l dry-run -d 'Say what would be done and touch nothing'
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l yes -d 'Consent to what can\'t be undone'
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c shardctl -n "__fish_shardctl_using_subcommand sql" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -l to -d 'The node that is to lead [default: one of those in sync, as Patroni chooses; clients wait a second less]' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -l pause-limit -d 'How long the poolers may take to finish transactions under way, from 100ms to 5s' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -l kill-idle -d 'End transactions that stand idle and hold the poolers up longer than that'
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -l all -d 'Work on every target'
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -l dry-run -d 'Say what would be done and touch nothing'
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -l yes -d 'Consent to what can\'t be undone'
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c shardctl -n "__fish_shardctl_using_subcommand switchover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -l fault -d 'What breaks' -r -f -a "postgres-dies\t'PostgreSQL of the leader is killed; its Patroni lives'
node-crashes\t'PostgreSQL and Patroni of the leader are killed; the supervisor starts them again'
node-dies\t'PostgreSQL and Patroni of the leader are killed with their supervisor: nothing starts them again'
host-dies\t'The host of the leader dies, with everything on it'
patroni-dies\t'Patroni of the leader is killed over a living PostgreSQL, and nothing starts it again'
patroni-crashes\t'Patroni of the leader is killed; the supervisor starts it again'
host-freezes\t'All processes of the leader stand still, and go on later'
host-cut-off\t'Nothing reaches the leader\'s host, and nothing leaves it'
replica-dies\t'The host of a replica dies'
etcd-dies\t'One member of etcd dies'
etcds-die\t'All members of etcd die'
pooler-dies\t'One pooler dies'
balancer-dies\t'One balancer dies'
switchover\t'The lead is moved on purpose'"
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -l all -d 'Work on every target'
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -l dry-run -d 'Say what would be done and touch nothing'
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -l yes -d 'Consent to what can\'t be undone'
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c shardctl -n "__fish_shardctl_using_subcommand drill" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -l user -d 'The user of the consoles [default: `pool_admin` of the topology]' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -l all -d 'Work on every target'
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -l dry-run -d 'Say what would be done and touch nothing'
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -l yes -d 'Consent to what can\'t be undone'
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c shardctl -n "__fish_shardctl_using_subcommand hold-poolers" -s h -l help -d 'Print help (see more with \'--help\')'
