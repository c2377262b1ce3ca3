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
complete -c poolcfg -n "__fish_poolcfg_using_subcommand render" -l run-folder -d 'The folder of control sockets [default: `run` beside the topology file]' -r -F
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
