#compdef mayfly
# Completion of mayfly's commands, options, profiles and grants. Made by `make generate`: do not edit.

_shtab_mayfly_commands() {
  local _commands=(
    approve:'Let a grant that asks have its credentials.'
    aws-config:'Print or write profiles for ~/.aws/config.'
    completion:'Print what a shell evaluates to complete mayfly'"'"'s words.'
    console:'Open the AWS console in the browser, signed in with a role.'
    credential-process:'Print a profile'"'"'s credentials for credential_process.'
    demo:'See Mayfly at work, without 1Password and AWS.'
    deny:'Refuse a grant that asks.'
    doctor:'Say what is well, what is not, and what mends it.'
    env:'Print what a shell evaluates to use a profile.'
    exec:'Run a command with a profile.'
    forget:'Drop credentials from memory.'
    grant:'Give a program credentials for a while, perhaps narrowed.'
    grants:'List the grants: who has what, and until when.'
    help:'show what a command takes'
    import-aws-config:'Make a config from the profiles in ~/.aws.'
    init:'Go from 1Password'"'"'s items to a config and a first login.'
    install:'Make the daemon a service of this user.'
    login:'Get fresh credentials now, and wait for the human.'
    prompt:'Print a profile and its time left for a shell'"'"'s prompt.'
    recipe:'Print what to paste into a container engine or an agent.'
    relay:'Carry bytes from a container to the daemon, unchanged.'
    reload:'Have the daemon read its changed config.'
    revoke:'End a grant now.'
    rotate:'Make new tokens, so that the old ones open nothing.'
    serve:'Run the daemon in the foreground.'
    ssh:'Open a shell on another host, with credentials.'
    status:'Show which credentials are fresh, and what went wrong.'
    uninstall:'Remove the service.'
    whoami:'Ask AWS who a profile is.'
  )
  _describe 'mayfly commands' _commands
}

_shtab_mayfly_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--version[show the version]"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_defaults_added=0

_shtab_mayfly_approve_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--yes[approve without a question]"
  ":the grant\'s id, or its label if no other has it:_mayfly_grants"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_approve_defaults_added=0

_shtab_mayfly_aws_config_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--config[the config (default\: \$MAYFLY_CONFIG, else config.toml, else config.json in \~\/.config\/mayfly)]:FILE:_files"
  "--write[write them into \~\/.aws\/config (or \$AWS_CONFIG_FILE)]"
  "--replace[with --write\: also sections that you wrote\; removes their keys by which SDKs find credentials]"
  "--prefix[put P before each profile\'s name]:P:"
  "--remove[take out what --write has written, and nothing else]"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_aws_config_defaults_added=0

_shtab_mayfly_completion_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--config[the config (default\: \$MAYFLY_CONFIG, else config.toml, else config.json in \~\/.config\/mayfly)]:FILE:_files"
  ":the shell (\'profiles\', \'grants\'\: their names):(bash zsh fish profiles grants)"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_completion_defaults_added=0

_shtab_mayfly_console_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--to[where to\: s3, or a URL of the console]:URL|SERVICE:"
  "--print[print the URL, which signs its reader in for 15 minutes]"
  "--browser[the browser (default\: \$BROWSER, else the desktop\'s)]:CMD:"
  "--logout-first[sign out of the browser\'s present session before]"
  ":a profile with a role_arn:_mayfly_profiles"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_console_defaults_added=0

_shtab_mayfly_credential_process_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--config[the config (default\: \$MAYFLY_CONFIG, else config.toml, else config.json in \~\/.config\/mayfly)]:FILE:_files"
  ":PROFILE:_mayfly_profiles"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_credential_process_defaults_added=0

_shtab_mayfly_demo_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--once[end after the story, and do not stay for you to try]"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_demo_defaults_added=0

_shtab_mayfly_deny_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":the grant\'s id, or its label if no other has it:_mayfly_grants"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_deny_defaults_added=0

_shtab_mayfly_doctor_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--config[the config (default\: \$MAYFLY_CONFIG, else config.toml, else config.json in \~\/.config\/mayfly)]:FILE:_files"
  "--json[\{\"checks\"\: \[\{\"id\", \"state\", \"message\", \"hint\"\}\]\}]"
  "--sandbox[only what a program started here could reach besides what it is given]"
  "--ask[also read the references from 1Password, which may raise its prompt]"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_doctor_defaults_added=0

_shtab_mayfly_env_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--config[the config (default\: \$MAYFLY_CONFIG, else config.toml, else config.json in \~\/.config\/mayfly)]:FILE:_files"
  "--shell[the shell to write for (default\: by \$SHELL)]:shell:(posix fish pwsh json)"
  "--token-file[for object_store, polars and deltalake\: set the token\'s file, not the token (old SDKs read none)]"
  "--off[undo what env has set]"
  ":may be left out if there is only one:_mayfly_profiles"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_env_defaults_added=0

_shtab_mayfly_exec_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--config[the config (default\: \$MAYFLY_CONFIG, else config.toml, else config.json in \~\/.config\/mayfly)]:FILE:_files"
  "--token-file[for object_store, polars and deltalake\: set the token\'s file, not the token (old SDKs read none)]"
  "--allow-shadow[even if \[default\] in \~\/.aws or \~\/.boto wins over the profile]"
  "--min-life[credentials that live so long\: at once if there are any, else by asking now]:6h:"
  ":default\: \$MAYFLY_PROFILE, else \$AWS_PROFILE if it is one of ours, else the only one:_mayfly_profiles"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_exec_defaults_added=0

_shtab_mayfly_forget_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "(*)::default\: all:_mayfly_profiles"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_forget_defaults_added=0

_shtab_mayfly_grant_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--config[the config (default\: \$MAYFLY_CONFIG, else config.toml, else config.json in \~\/.config\/mayfly)]:FILE:_files"
  "--for[how long\: 15m to 12h (default\: 1h)]:1h:"
  "--read-only[change nothing (ReadOnlyAccess\: data can be read)]"
  "--view-only[list and describe (ViewOnlyAccess\: no data is read)]"
  "*--policy-arn[no more than these managed policies allow]:ARN:"
  "--policy[no more than this IAM policy (JSON) allows]:FILE:_files"
  "--label[its name in lists, logs and CloudTrail (default\: CMD\'s name)]:label:"
  "--ask[ask on the desktop, once, before the first use]"
  "--as[how it gets the credentials (default\: endpoint)\; file, env and socket are for sandboxes and containers]:delivery:(endpoint file env socket)"
  "--allow-disk[with --as file\: even if the files are on a disk]"
  "--token-file[set the token\'s file, not the token]"
  "--shell[without CMD\: the shell to write for (default\: \$SHELL)]:shell:(posix fish pwsh json)"
  ":the profile whose credentials are granted:_mayfly_profiles"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_grant_defaults_added=0

_shtab_mayfly_grants_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--json[for scripts]"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_grants_defaults_added=0

_shtab_mayfly_help_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":command:(demo init serve env exec grant grants revoke approve deny ssh login forget status prompt whoami console doctor credential-process aws-config import-aws-config install uninstall reload rotate recipe relay completion)"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_help_defaults_added=0

_shtab_mayfly_import_aws_config_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--config[the config (default\: \$MAYFLY_CONFIG, else config.toml, else config.json in \~\/.config\/mayfly)]:FILE:_files"
  "*--item[the item with the keys of PROFILE, or of all profiles\; asked for if left out]:[PROFILE=]op://VAULT/ITEM:"
  "--write[write it as the config, if there is none yet]"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_import_aws_config_defaults_added=0

_shtab_mayfly_init_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--config[the config (default\: \$MAYFLY_CONFIG, else config.toml, else config.json in \~\/.config\/mayfly)]:FILE:_files"
  "--item[the item with the access key, by names or IDs]:op://VAULT/ITEM:"
  "--otp-item[the item with the one-time password, if another]:op://VAULT/ITEM:"
  "*--field[the field for KEY (access_key_id, secret_access_key, otp, mfa_id) where several may be it]:KEY=LABEL:"
  "--otp-command[a program that prints the one-time password]:'CMD ARG …':"
  "--no-mfa[the user has no MFA device, which is weaker]"
  "--profile[the profile\'s name in the config]:P:_mayfly_profiles"
  "--region[the AWS region of its clients]:R:"
  "--no-roles[take no roles along from \~\/.aws\/config]"
  "--account[the 1Password account, as for \'op --account\']:A:"
  "--token-file[a file (mode 0600) with a service account\'s token]:FILE:_files"
  "--connect-token-file[the same for the Connect server at \$OP_CONNECT_HOST]:FILE:_files"
  "--mfa-id[the MFA device (arn\:aws\:iam\:\:123456789012\:mfa\/NAME), if neither item nor AWS tell it]:ARN:"
  "--yes[ask nothing about the config\: take options and defaults]"
  "--force[replace the profile if the config has it already]"
  "--install[then\: mayfly install --now]"
  "--aws-config[then\: mayfly aws-config --write]"
  "--login[then\: mayfly login, and whoami]"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_init_defaults_added=0

_shtab_mayfly_install_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--config[the config (default\: \$MAYFLY_CONFIG, else config.toml, else config.json in \~\/.config\/mayfly)]:FILE:_files"
  "--now[start the service, too]"
  "--dry-run[only show what would be written, and do nothing]"
  "--environment-d[also give PROFILE to every program of the desktop, from the next log-in on (environment.d\; systemd)]:PROFILE:"
  "--launchctl-setenv[also give PROFILE to every program that is started from now on, until log-out (macOS)]:PROFILE:"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_install_defaults_added=0

_shtab_mayfly_login_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--through-lock[prompt even if the screen is locked, for this login only]"
  "--min-life[credentials that live so long\: at once if there are any, else by asking now]:6h:"
  "(*)::default\: every profile without a source:_mayfly_profiles"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_login_defaults_added=0

_shtab_mayfly_prompt_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--folder[print where the files for prompts are instead]"
  ":default\: \$MAYFLY_PROFILE, \$AWS_PROFILE, or the only one that has a session:_mayfly_profiles"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_prompt_defaults_added=0

_shtab_mayfly_recipe_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--config[the config (default\: \$MAYFLY_CONFIG, else config.toml, else config.json in \~\/.config\/mayfly)]:FILE:_files"
  "--for[how long\: 15m to 12h (default\: 1h)]:1h:"
  "--read-only[change nothing (ReadOnlyAccess\: data can be read)]"
  "--view-only[list and describe (ViewOnlyAccess\: no data is read)]"
  "*--policy-arn[no more than these managed policies allow]:ARN:"
  "--policy[no more than this IAM policy (JSON) allows]:FILE:_files"
  "--label[its name in lists, logs and CloudTrail (default\: KIND)]:label:"
  "--ask[ask on the desktop, once, before the first use]"
  "--as[for an agent\: how it gets the credentials]:delivery:(endpoint file env)"
  "--docker-desktop[for containers of Docker Desktop (on macOS\: always)]"
  ":compose, docker, podman, devcontainer, kind, claude-code, codex, cursor, mcp:(compose docker podman devcontainer kind claude-code codex cursor mcp)"
  ":the profile whose credentials are granted:_mayfly_profiles"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_recipe_defaults_added=0

_shtab_mayfly_relay_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--listen[where clients connect, on the loopback interface\; port 0\: a free one, which is printed]:127.0.0.1:PORT:"
  "--to[where the daemon or a grant\'s socket is\; it need not be there yet]:unix:PATH|tcp:HOST:PORT:"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_relay_defaults_added=0

_shtab_mayfly_reload_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_reload_defaults_added=0

_shtab_mayfly_revoke_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--all[all grants]"
  "--policy[print the IAM policy that ends what AWS has issued, too (JSON)]"
  ":the grant\'s id, or its label if no other has it:_mayfly_grants"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_revoke_defaults_added=0

_shtab_mayfly_rotate_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--config[the config (default\: \$MAYFLY_CONFIG, else config.toml, else config.json in \~\/.config\/mayfly)]:FILE:_files"
  "(*)::default\: all:_mayfly_profiles"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_rotate_defaults_added=0

_shtab_mayfly_serve_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--config[the config (default\: \$MAYFLY_CONFIG, else config.toml, else config.json in \~\/.config\/mayfly)]:FILE:_files"
  "--listen[127.0.0.1\:PORT to listen on]:A:"
  "--sealed[for the service\'s unit\: start no process, ask the other units]"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_serve_defaults_added=0

_shtab_mayfly_ssh_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--config[the config (default\: \$MAYFLY_CONFIG, else config.toml, else config.json in \~\/.config\/mayfly)]:FILE:_files"
  "--for[how long\: 15m to 12h (default\: 1h)]:1h:"
  "--read-only[change nothing (ReadOnlyAccess\: data can be read)]"
  "--view-only[list and describe (ViewOnlyAccess\: no data is read)]"
  "*--policy-arn[no more than these managed policies allow]:ARN:"
  "--policy[no more than this IAM policy (JSON) allows]:FILE:_files"
  "--label[its name in lists, logs and CloudTrail (default\: HOST\'s name)]:label:"
  "--ask[ask on the desktop, once, before the first use]"
  "--token-file[for object_store, polars and deltalake\: set the token\'s file, not the token (old SDKs read none)]"
  ":the profile whose credentials are granted:_mayfly_profiles"
  ":where to open the shell\: HOST or USER\@HOST:"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_ssh_defaults_added=0

_shtab_mayfly_status_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--json[the daemon\'s whole status, for scripts]"
  "--watch[the same page, live, until q or ctrl-c]"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_status_defaults_added=0

_shtab_mayfly_uninstall_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--purge[also remove the profiles in \~\/.aws\/config, the tokens and the config]"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_uninstall_defaults_added=0

_shtab_mayfly_whoami_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":PROFILE:_mayfly_profiles"
)

# guard to ensure default positional specs are added only once per session
_shtab_mayfly_whoami_defaults_added=0


_shtab_mayfly() {
  local context state line curcontext="$curcontext" one_or_more='(*)' remainder='(-)*:' default='*::: :->mayfly'

  # Add default positional/remainder specs only if none exist, and only once per session
  if (( ! _shtab_mayfly_defaults_added )); then
    if (( ${_shtab_mayfly_options[(I)${(q)one_or_more}*]} +          ${_shtab_mayfly_options[(I)${(q)remainder}*]} +          ${_shtab_mayfly_options[(I)${(q)default}]} == 0 )); then
      _shtab_mayfly_options+=(': :_shtab_mayfly_commands' '*::: :->mayfly')
    fi
    _shtab_mayfly_defaults_added=1
  fi
  _arguments -C -s $_shtab_mayfly_options

  case $state in
    mayfly)
      words=($line[1] "${words[@]}")
      (( CURRENT += 1 ))
      curcontext="${curcontext%:*:*}:_shtab_mayfly-$line[1]:"
      case $line[1] in
        approve) _arguments -C -s $_shtab_mayfly_approve_options ;;
        aws-config) _arguments -C -s $_shtab_mayfly_aws_config_options ;;
        completion) _arguments -C -s $_shtab_mayfly_completion_options ;;
        console) _arguments -C -s $_shtab_mayfly_console_options ;;
        credential-process) _arguments -C -s $_shtab_mayfly_credential_process_options ;;
        demo) _arguments -C -s $_shtab_mayfly_demo_options ;;
        deny) _arguments -C -s $_shtab_mayfly_deny_options ;;
        doctor) _arguments -C -s $_shtab_mayfly_doctor_options ;;
        env) _arguments -C -s $_shtab_mayfly_env_options ;;
        exec) _arguments -C -s $_shtab_mayfly_exec_options ;;
        forget) _arguments -C -s $_shtab_mayfly_forget_options ;;
        grant) _arguments -C -s $_shtab_mayfly_grant_options ;;
        grants) _arguments -C -s $_shtab_mayfly_grants_options ;;
        help) _arguments -C -s $_shtab_mayfly_help_options ;;
        import-aws-config) _arguments -C -s $_shtab_mayfly_import_aws_config_options ;;
        init) _arguments -C -s $_shtab_mayfly_init_options ;;
        install) _arguments -C -s $_shtab_mayfly_install_options ;;
        login) _arguments -C -s $_shtab_mayfly_login_options ;;
        prompt) _arguments -C -s $_shtab_mayfly_prompt_options ;;
        recipe) _arguments -C -s $_shtab_mayfly_recipe_options ;;
        relay) _arguments -C -s $_shtab_mayfly_relay_options ;;
        reload) _arguments -C -s $_shtab_mayfly_reload_options ;;
        revoke) _arguments -C -s $_shtab_mayfly_revoke_options ;;
        rotate) _arguments -C -s $_shtab_mayfly_rotate_options ;;
        serve) _arguments -C -s $_shtab_mayfly_serve_options ;;
        ssh) _arguments -C -s $_shtab_mayfly_ssh_options ;;
        status) _arguments -C -s $_shtab_mayfly_status_options ;;
        uninstall) _arguments -C -s $_shtab_mayfly_uninstall_options ;;
        whoami) _arguments -C -s $_shtab_mayfly_whoami_options ;;
      esac
  esac
}

# Custom Preamble
_mayfly_profiles() {
  local -a names
  names=(${(f)"$(command mayfly completion profiles 2>/dev/null)"})
  compadd -a names
}

_mayfly_grants() {
  local -a names
  names=(${(f)"$(command mayfly completion grants 2>/dev/null)"})
  compadd -a names
}

# End Custom Preamble


typeset -A opt_args

if [[ $zsh_eval_context[-1] == eval ]]; then
  # eval/source/. command, register function for later
  compdef _shtab_mayfly -N mayfly
else
  # autoload from fpath, call function directly
  _shtab_mayfly "$@"
fi
