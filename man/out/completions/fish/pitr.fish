# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pitr_global_optspecs
    string join \n o/output= q/quiet v/verbose config= t/target= all j/jobs= deadline= dry-run yes confirm= lock-wait= jitter= reason= schema h/help V/version
end

function __fish_pitr_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pitr_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pitr_using_subcommand
    set -l cmd (__fish_pitr_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pitr -n "__fish_pitr_needs_command" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c pitr -n "__fish_pitr_needs_command" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c pitr -n "__fish_pitr_needs_command" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c pitr -n "__fish_pitr_needs_command" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c pitr -n "__fish_pitr_needs_command" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c pitr -n "__fish_pitr_needs_command" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c pitr -n "__fish_pitr_needs_command" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c pitr -n "__fish_pitr_needs_command" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c pitr -n "__fish_pitr_needs_command" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c pitr -n "__fish_pitr_needs_command" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c pitr -n "__fish_pitr_needs_command" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c pitr -n "__fish_pitr_needs_command" -l all -d 'Work on every target'
complete -c pitr -n "__fish_pitr_needs_command" -l dry-run -d 'Say what would be done and touch nothing'
complete -c pitr -n "__fish_pitr_needs_command" -l yes -d 'Consent to what can\'t be undone'
complete -c pitr -n "__fish_pitr_needs_command" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c pitr -n "__fish_pitr_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pitr -n "__fish_pitr_needs_command" -s V -l version -d 'Print version'
complete -c pitr -n "__fish_pitr_needs_command" -f -a "coverage" -d 'Show which times can be restored, and why the others can\'t'
complete -c pitr -n "__fish_pitr_needs_command" -f -a "plan" -d 'Show how a point would be restored: backup, WAL, bytes and time'
complete -c pitr -n "__fish_pitr_needs_command" -f -a "restore" -d 'Restore shards as they were at a point, in a folder apart'
complete -c pitr -n "__fish_pitr_needs_command" -f -a "point" -d 'Make a restore point on all shards at once'
complete -c pitr -n "__fish_pitr_needs_command" -f -a "drill" -d 'Prove by a restore that shards can be restored'
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -l to -d 'Ask for this time only; without an offset it is UTC' -r
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -l store -d 'Read the archives in this store instead of the first' -r
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -l timeline -d 'Follow the way to this timeline instead of the newest' -r
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -l all -d 'Work on every target'
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -l dry-run -d 'Say what would be done and touch nothing'
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -l yes -d 'Consent to what can\'t be undone'
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c pitr -n "__fish_pitr_using_subcommand coverage" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l to -d 'Go back to this time; without an offset it is UTC' -r
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l lsn -d 'Go back to this WAL position' -r
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l xid -d 'Go back to the end of this transaction' -r
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l name -d 'Go back to this restore point' -r
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l store -d 'Read the archives in this store instead of the first' -r
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l timeline -d 'Follow the way to this timeline instead of the newest' -r
complete -c pitr -n "__fish_pitr_using_subcommand plan" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c pitr -n "__fish_pitr_using_subcommand plan" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c pitr -n "__fish_pitr_using_subcommand plan" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l latest -d 'Go to the last that is proven to be in the archive'
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l exclusive -d 'Leave out what happened exactly at the time, position or transaction'
complete -c pitr -n "__fish_pitr_using_subcommand plan" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c pitr -n "__fish_pitr_using_subcommand plan" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l all -d 'Work on every target'
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l dry-run -d 'Say what would be done and touch nothing'
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l yes -d 'Consent to what can\'t be undone'
complete -c pitr -n "__fish_pitr_using_subcommand plan" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c pitr -n "__fish_pitr_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l to -d 'Go back to this time; without an offset it is UTC' -r
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l lsn -d 'Go back to this WAL position' -r
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l xid -d 'Go back to the end of this transaction' -r
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l name -d 'Go back to this restore point' -r
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l into -d 'Restore into this folder, each shard into one of its name below it' -r -F
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l port -d 'Port of the restored servers, in the names of their sockets' -r
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l bin -d 'Folder of PostgreSQL\'s programs instead of where Debian has them' -r -F
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l store -d 'Read the archives in this store instead of the first' -r
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l timeline -d 'Follow the way to this timeline instead of the newest' -r
complete -c pitr -n "__fish_pitr_using_subcommand restore" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c pitr -n "__fish_pitr_using_subcommand restore" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c pitr -n "__fish_pitr_using_subcommand restore" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l latest -d 'Go to the last that is proven to be in the archive'
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l exclusive -d 'Leave out what happened exactly at the time, position or transaction'
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l leave-running -d 'Leave the restored servers running'
complete -c pitr -n "__fish_pitr_using_subcommand restore" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c pitr -n "__fish_pitr_using_subcommand restore" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l all -d 'Work on every target'
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l dry-run -d 'Say what would be done and touch nothing'
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l yes -d 'Consent to what can\'t be undone'
complete -c pitr -n "__fish_pitr_using_subcommand restore" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c pitr -n "__fish_pitr_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pitr -n "__fish_pitr_using_subcommand point" -l pause-limit -d 'Longest that writers wait for the point, from 10ms to 8s' -r
complete -c pitr -n "__fish_pitr_using_subcommand point" -l retry-for -d 'How long to try again when somebody writes for longer than that' -r
complete -c pitr -n "__fish_pitr_using_subcommand point" -l archive-wait -d 'How long the archive may take to have the WAL' -r
complete -c pitr -n "__fish_pitr_using_subcommand point" -l store -d 'Note the point in this store instead of the first' -r
complete -c pitr -n "__fish_pitr_using_subcommand point" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c pitr -n "__fish_pitr_using_subcommand point" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c pitr -n "__fish_pitr_using_subcommand point" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c pitr -n "__fish_pitr_using_subcommand point" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c pitr -n "__fish_pitr_using_subcommand point" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c pitr -n "__fish_pitr_using_subcommand point" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c pitr -n "__fish_pitr_using_subcommand point" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c pitr -n "__fish_pitr_using_subcommand point" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c pitr -n "__fish_pitr_using_subcommand point" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c pitr -n "__fish_pitr_using_subcommand point" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c pitr -n "__fish_pitr_using_subcommand point" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c pitr -n "__fish_pitr_using_subcommand point" -l all -d 'Work on every target'
complete -c pitr -n "__fish_pitr_using_subcommand point" -l dry-run -d 'Say what would be done and touch nothing'
complete -c pitr -n "__fish_pitr_using_subcommand point" -l yes -d 'Consent to what can\'t be undone'
complete -c pitr -n "__fish_pitr_using_subcommand point" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c pitr -n "__fish_pitr_using_subcommand point" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l to -d 'Go back to this time; without an offset it is UTC' -r
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l lsn -d 'Go back to this WAL position' -r
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l xid -d 'Go back to the end of this transaction' -r
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l name -d 'Go back to this restore point' -r
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l into -d 'Restore into this folder; each shard\'s own is removed after a drill that went well' -r -F
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l port -d 'Port of the restored servers, in the names of their sockets' -r
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l bin -d 'Folder of PostgreSQL\'s programs instead of where Debian has them' -r -F
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l store -d 'Read the archives in this store instead of the first' -r
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l timeline -d 'Follow the way to this timeline instead of the newest' -r
complete -c pitr -n "__fish_pitr_using_subcommand drill" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c pitr -n "__fish_pitr_using_subcommand drill" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c pitr -n "__fish_pitr_using_subcommand drill" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l latest -d 'Go to the last that is proven to be in the archive'
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l keep -d 'Keep what was restored'
complete -c pitr -n "__fish_pitr_using_subcommand drill" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c pitr -n "__fish_pitr_using_subcommand drill" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l all -d 'Work on every target'
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l dry-run -d 'Say what would be done and touch nothing'
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l yes -d 'Consent to what can\'t be undone'
complete -c pitr -n "__fish_pitr_using_subcommand drill" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c pitr -n "__fish_pitr_using_subcommand drill" -s h -l help -d 'Print help (see more with \'--help\')'
