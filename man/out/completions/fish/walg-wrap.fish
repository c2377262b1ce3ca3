# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_walg_wrap_global_optspecs
    string join \n o/output= q/quiet v/verbose config= t/target= all j/jobs= deadline= dry-run yes confirm= lock-wait= jitter= reason= schema h/help V/version
end

function __fish_walg_wrap_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_walg_wrap_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_walg_wrap_using_subcommand
    set -l cmd (__fish_walg_wrap_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -l all -d 'Work on every target'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -l dry-run -d 'Say what would be done and touch nothing'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -l yes -d 'Consent to what can\'t be undone'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -s V -l version -d 'Print version'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -f -a "push" -d 'Take a base backup, or a logical dump, into the archive'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -f -a "backup-push" -d 'Take a base backup, or a logical dump, into the archive'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -f -a "fetch" -d 'Restore a base backup into an empty folder, or a logical dump into an empty database'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -f -a "backup-fetch" -d 'Restore a base backup into an empty folder, or a logical dump into an empty database'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -f -a "ls" -d 'List backups and WAL'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -f -a "backup-list" -d 'List backups and WAL'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -f -a "verify" -d 'Read archives and say what a restore would stumble over'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -f -a "retain" -d 'Retire old backups, and WAL that nothing needs any more'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -f -a "copy" -d 'Bring another store up to date with this one'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -f -a "wal-push" -d 'Put a file of the WAL into the archive; for `archive_command`'
complete -c walg-wrap -n "__fish_walg_wrap_needs_command" -f -a "wal-fetch" -d 'Get a file of the WAL out of the archive; for `restore_command`'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l type -d 'Everything, what has changed since the newest backup, or a logical dump' -r -f -a "full\t'Everything'
delta\t'Pages that have changed since the newest backup, on which it then stands'
logical\t'A dump of one database: for another version of PostgreSQL, or for a part of it'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l max-deltas -d 'The longest chain of deltas; then comes a full backup' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l from -d 'Where it is taken from: primary, standby, or a node by its name; without it, a standby where one answers' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l read -d 'How its files are read: from the data folder where that is on this machine, else as the server sends them' -r -f -a "auto\t'From the data folder where that is on this machine and may be read, else from the stream'
folder\t'From the data folder, as wal-g does, or not at all'
stream\t'As the server sends them: from any machine, at the cost of the server\'s own work'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l user-data -d 'A note, kept with the backup; JSON, or text' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l wal-timeout -d 'How long WAL that the backup needs may take to arrive in the archive, and on the standby' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l store -d 'Push to this store instead of the first' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l database -d 'The database; without it, the cluster\'s' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l spool -d 'Where files lie on their way; without it, where temporary files go' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l spool-mib -d 'How many MiB may wait there for the store before the dump is held' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l bin -d 'The folder of PostgreSQL\'s programs; without it, Debian\'s of the server\'s version, or the PATH' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l permanent -d 'Leave the backup alone when old ones are retired'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l all -d 'Work on every target'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l dry-run -d 'Say what would be done and touch nothing'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l yes -d 'Consent to what can\'t be undone'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l type -d 'Everything, what has changed since the newest backup, or a logical dump' -r -f -a "full\t'Everything'
delta\t'Pages that have changed since the newest backup, on which it then stands'
logical\t'A dump of one database: for another version of PostgreSQL, or for a part of it'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l max-deltas -d 'The longest chain of deltas; then comes a full backup' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l from -d 'Where it is taken from: primary, standby, or a node by its name; without it, a standby where one answers' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l read -d 'How its files are read: from the data folder where that is on this machine, else as the server sends them' -r -f -a "auto\t'From the data folder where that is on this machine and may be read, else from the stream'
folder\t'From the data folder, as wal-g does, or not at all'
stream\t'As the server sends them: from any machine, at the cost of the server\'s own work'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l user-data -d 'A note, kept with the backup; JSON, or text' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l wal-timeout -d 'How long WAL that the backup needs may take to arrive in the archive, and on the standby' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l store -d 'Push to this store instead of the first' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l database -d 'The database; without it, the cluster\'s' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l spool -d 'Where files lie on their way; without it, where temporary files go' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l spool-mib -d 'How many MiB may wait there for the store before the dump is held' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l bin -d 'The folder of PostgreSQL\'s programs; without it, Debian\'s of the server\'s version, or the PATH' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l permanent -d 'Leave the backup alone when old ones are retired'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l all -d 'Work on every target'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l dry-run -d 'Say what would be done and touch nothing'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l yes -d 'Consent to what can\'t be undone'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l type -d 'A base backup, full or delta, or a logical dump' -r -f -a "base\t'A base backup'
logical\t'A logical dump'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l into -d 'The new data folder, empty or not there; of a dump the empty database, by its name or a connection string' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l tablespace -d 'The new folder of a tablespace, by its OID; needed for each that the backup has' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l store -d 'Fetch from this store instead of the first' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l on -d 'The shard or node whose database it is; without it, the dump\'s own shard' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l spool -d 'Where files lie on their way; without it, where temporary files go' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l bin -d 'The folder of PostgreSQL\'s programs; without it, Debian\'s of the server\'s version, or the PATH' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l all -d 'Work on every target'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l dry-run -d 'Say what would be done and touch nothing'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l yes -d 'Consent to what can\'t be undone'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand fetch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l type -d 'A base backup, full or delta, or a logical dump' -r -f -a "base\t'A base backup'
logical\t'A logical dump'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l into -d 'The new data folder, empty or not there; of a dump the empty database, by its name or a connection string' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l tablespace -d 'The new folder of a tablespace, by its OID; needed for each that the backup has' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l store -d 'Fetch from this store instead of the first' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l on -d 'The shard or node whose database it is; without it, the dump\'s own shard' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l spool -d 'Where files lie on their way; without it, where temporary files go' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l bin -d 'The folder of PostgreSQL\'s programs; without it, Debian\'s of the server\'s version, or the PATH' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l all -d 'Work on every target'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l dry-run -d 'Say what would be done and touch nothing'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l yes -d 'Consent to what can\'t be undone'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-fetch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -l store -d 'List this store instead of the first' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -l type -d 'List base backups, logical dumps, or both' -r -f -a "all\t'Both'
base\t'Base backups, full and delta'
logical\t'Logical dumps'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -l wal -d 'List the WAL as well: ranges and gaps of each timeline'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -l all -d 'Work on every target'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -l dry-run -d 'Say what would be done and touch nothing'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -l yes -d 'Consent to what can\'t be undone'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -l store -d 'List this store instead of the first' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -l type -d 'List base backups, logical dumps, or both' -r -f -a "all\t'Both'
base\t'Base backups, full and delta'
logical\t'Logical dumps'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -l wal -d 'List the WAL as well: ranges and gaps of each timeline'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -l all -d 'Work on every target'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -l dry-run -d 'Say what would be done and touch nothing'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -l yes -d 'Consent to what can\'t be undone'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand backup-list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l store -d 'Verify this store instead of the first' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l recheck-after -d 'Read again what was read longer ago than this' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l unfinished-after -d 'Warn of a backup without a sentinel to which nothing was added for so long' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l recheck -d 'Read everything, also what was read before'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l prove -d 'Give unproven backups their sums, where all of them is sound'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l all -d 'Work on every target'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l dry-run -d 'Say what would be done and touch nothing'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l yes -d 'Consent to what can\'t be undone'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l full -d 'Keep so many full backups, with all that stand on them; without it, `archive.retain_full`' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l days -d 'Keep what restores any moment of so many days; without it, `archive.retain_days`' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l dumps -d 'Keep so many logical dumps; without it, `archive.retain_dumps`' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l dump-days -d 'Keep logical dumps of so many days; without it, `archive.retain_dump_days`' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l unfinished-after -d 'Clear away a backup without a sentinel, or a dump without a document, to which nothing was added for so long' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l store -d 'Retire in this store instead of the first' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l all -d 'Work on every target'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l dry-run -d 'Say what would be done and touch nothing'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l yes -d 'Consent to what can\'t be undone'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand retain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -l to -d 'Copy to this store' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -l store -d 'Copy from this store instead of the first' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -l all -d 'Work on every target'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -l dry-run -d 'Say what would be done and touch nothing'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -l yes -d 'Consent to what can\'t be undone'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand copy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -l store -d 'Archive into this store instead of the first' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -l all -d 'Work on every target'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -l dry-run -d 'Say what would be done and touch nothing'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -l yes -d 'Consent to what can\'t be undone'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -l for -d 'Who asks, which decides how a failure ends' -r -f -a "pitr\t'A restore: 1 is a proven absence, 126 any other failure'
standby\t'A standby: every failure is 1'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -l store -d 'Fetch from this store instead of the first' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -s o -l output -d 'How to write records' -r -f -a "auto\t'A table on a terminal, JSON lines otherwise'
table\t'A table for people; its shape may change in any release'
json\t'JSON lines; their shape is a promise'"
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -l config -d 'The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`' -r -F
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -s t -l target -d 'Work on this target; may be repeated' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -s j -l jobs -d 'How many targets to work on at the same time' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -l deadline -d 'Stop after this long; what isn\'t done by then fails' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -l confirm -d 'Consent to a severe act by typing the name of what it destroys' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -l lock-wait -d 'Wait this long for another run of the same tool to end' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -l jitter -d 'Start after a random delay up to this long, so that many machines don\'t start at once' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -l reason -d 'Why this run is made; kept in the ledger' -r
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -s q -l quiet -d 'Write only the lines of what failed; nothing at all when all is well'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -s v -l verbose -d 'Say more on standard error; twice for more still'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -l all -d 'Work on every target'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -l dry-run -d 'Say what would be done and touch nothing'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -l yes -d 'Consent to what can\'t be undone'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -l schema -d 'Print the JSON Schema of the verb\'s records and exit'
complete -c walg-wrap -n "__fish_walg_wrap_using_subcommand wal-fetch" -s h -l help -d 'Print help (see more with \'--help\')'
