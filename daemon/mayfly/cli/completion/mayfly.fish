# Completion of mayfly's commands, options, profiles and grants. Made by `make generate`: do not edit.

function _shtab_mayfly_scan
  set -g _shtab_mayfly_cmdpath ''
  set -g _shtab_mayfly_npos 0
  set -l tokens (commandline -opc)
  set -e tokens[1]
  set -l expect_value 0
  for t in $tokens
    if test $expect_value -eq 1
      set expect_value 0
      continue
    end
    switch "$t"
      case '--*=*'
        continue
      case '-*'
        if contains -- $t $_shtab_mayfly_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_mayfly_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_mayfly_cmdpath"
            set candidate "$_shtab_mayfly_cmdpath $t"
          end
          if contains -- $candidate $_shtab_mayfly_commands
            set -g _shtab_mayfly_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_mayfly_npos (math $_shtab_mayfly_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_mayfly_using
  _shtab_mayfly_scan
  test "$_shtab_mayfly_cmdpath" = "$argv"
end

set -g _shtab_mayfly_commands demo init serve env exec grant grants revoke approve deny ssh login forget status prompt whoami console doctor credential-process aws-config import-aws-config install uninstall reload rotate recipe relay completion help
set -g _shtab_mayfly_opts_with_value --account --as --browser --config --connect-token-file --environment-d --field --for --item --label --launchctl-setenv --listen --mfa-id --min-life --otp-command --otp-item --policy --policy-arn --prefix --profile --region --shell --to --token-file

complete -c mayfly -e
complete -c mayfly -f

complete -c mayfly -n _shtab_mayfly_using -s h -l help -d 'show this help message and exit'
complete -c mayfly -n _shtab_mayfly_using -l version -d 'show the version'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a demo -d 'See Mayfly at work, without 1Password and AWS.'
complete -c mayfly -n '_shtab_mayfly_using demo' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using demo' -l once -d 'end after the story, and do not stay for you to try'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a init -d 'Go from 1Password'"'"'s items to a config and a first login.'
complete -c mayfly -n '_shtab_mayfly_using init' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using init' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)'
complete -c mayfly -n '_shtab_mayfly_using init' -l item -x -d 'the item with the access key, by names or IDs'
complete -c mayfly -n '_shtab_mayfly_using init' -l otp-item -x -d 'the item with the one-time password, if another'
complete -c mayfly -n '_shtab_mayfly_using init' -l field -x -d 'the field for KEY (access_key_id, secret_access_key, otp, mfa_id) where several may be it'
complete -c mayfly -n '_shtab_mayfly_using init' -l otp-command -x -d 'a program that prints the one-time password'
complete -c mayfly -n '_shtab_mayfly_using init' -l no-mfa -d 'the user has no MFA device, which is weaker'
complete -c mayfly -n '_shtab_mayfly_using init' -l profile -xka "(command mayfly completion profiles 2>/dev/null)" -d 'the profile'"'"'s name in the config'
complete -c mayfly -n '_shtab_mayfly_using init' -l region -x -d 'the AWS region of its clients'
complete -c mayfly -n '_shtab_mayfly_using init' -l no-roles -d 'take no roles along from ~/.aws/config'
complete -c mayfly -n '_shtab_mayfly_using init' -l account -x -d 'the 1Password account, as for '"'"'op --account'"'"''
complete -c mayfly -n '_shtab_mayfly_using init' -l token-file -xka "(__fish_complete_path (commandline -ct))" -d 'a file (mode 0600) with a service account'"'"'s token'
complete -c mayfly -n '_shtab_mayfly_using init' -l connect-token-file -xka "(__fish_complete_path (commandline -ct))" -d 'the same for the Connect server at $OP_CONNECT_HOST'
complete -c mayfly -n '_shtab_mayfly_using init' -l mfa-id -x -d 'the MFA device (arn:aws:iam::123456789012:mfa/NAME), if neither item nor AWS tell it'
complete -c mayfly -n '_shtab_mayfly_using init' -l yes -d 'ask nothing about the config: take options and defaults'
complete -c mayfly -n '_shtab_mayfly_using init' -l force -d 'replace the profile if the config has it already'
complete -c mayfly -n '_shtab_mayfly_using init' -l install -d 'then: mayfly install --now'
complete -c mayfly -n '_shtab_mayfly_using init' -l aws-config -d 'then: mayfly aws-config --write'
complete -c mayfly -n '_shtab_mayfly_using init' -l login -d 'then: mayfly login, and whoami'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a serve -d 'Run the daemon in the foreground.'
complete -c mayfly -n '_shtab_mayfly_using serve' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using serve' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)'
complete -c mayfly -n '_shtab_mayfly_using serve' -l listen -x -d '127.0.0.1:PORT to listen on'
complete -c mayfly -n '_shtab_mayfly_using serve' -l sealed -d 'for the service'"'"'s unit: start no process, ask the other units'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a env -d 'Print what a shell evaluates to use a profile.'
complete -c mayfly -n '_shtab_mayfly_using env' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using env' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)'
complete -c mayfly -n '_shtab_mayfly_using env' -l shell -xka "posix fish pwsh json" -d 'the shell to write for (default: by $SHELL)'
complete -c mayfly -n '_shtab_mayfly_using env' -l token-file -d 'for object_store, polars and deltalake: set the token'"'"'s file, not the token (old SDKs read none)'
complete -c mayfly -n '_shtab_mayfly_using env' -l off -d 'undo what env has set'
complete -c mayfly -n '_shtab_mayfly_using env; and test $_shtab_mayfly_npos -eq 0' -ka "(command mayfly completion profiles 2>/dev/null)" -d 'may be left out if there is only one'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a exec -d 'Run a command with a profile.'
complete -c mayfly -n '_shtab_mayfly_using exec' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using exec' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)'
complete -c mayfly -n '_shtab_mayfly_using exec' -l token-file -d 'for object_store, polars and deltalake: set the token'"'"'s file, not the token (old SDKs read none)'
complete -c mayfly -n '_shtab_mayfly_using exec' -l allow-shadow -d 'even if [default] in ~/.aws or ~/.boto wins over the profile'
complete -c mayfly -n '_shtab_mayfly_using exec' -l min-life -x -d 'credentials that live so long: at once if there are any, else by asking now'
complete -c mayfly -n '_shtab_mayfly_using exec; and test $_shtab_mayfly_npos -eq 0' -ka "(command mayfly completion profiles 2>/dev/null)" -d 'default: $MAYFLY_PROFILE, else $AWS_PROFILE if it is one of ours, else the only one'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a grant -d 'Give a program credentials for a while, perhaps narrowed.'
complete -c mayfly -n '_shtab_mayfly_using grant' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using grant' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)'
complete -c mayfly -n '_shtab_mayfly_using grant' -l for -x -d 'how long: 15m to 12h (default: 1h)'
complete -c mayfly -n '_shtab_mayfly_using grant' -l read-only -d 'change nothing (ReadOnlyAccess: data can be read)'
complete -c mayfly -n '_shtab_mayfly_using grant' -l view-only -d 'list and describe (ViewOnlyAccess: no data is read)'
complete -c mayfly -n '_shtab_mayfly_using grant' -l policy-arn -x -d 'no more than these managed policies allow'
complete -c mayfly -n '_shtab_mayfly_using grant' -l policy -xka "(__fish_complete_path (commandline -ct))" -d 'no more than this IAM policy (JSON) allows'
complete -c mayfly -n '_shtab_mayfly_using grant' -l label -x -d 'its name in lists, logs and CloudTrail (default: CMD'"'"'s name)'
complete -c mayfly -n '_shtab_mayfly_using grant' -l ask -d 'ask on the desktop, once, before the first use'
complete -c mayfly -n '_shtab_mayfly_using grant' -l as -xka "endpoint file env socket" -d 'how it gets the credentials (default: endpoint); file, env and socket are for sandboxes and containers'
complete -c mayfly -n '_shtab_mayfly_using grant' -l allow-disk -d 'with --as file: even if the files are on a disk'
complete -c mayfly -n '_shtab_mayfly_using grant' -l token-file -d 'set the token'"'"'s file, not the token'
complete -c mayfly -n '_shtab_mayfly_using grant' -l shell -xka "posix fish pwsh json" -d 'without CMD: the shell to write for (default: $SHELL)'
complete -c mayfly -n '_shtab_mayfly_using grant; and test $_shtab_mayfly_npos -eq 0' -ka "(command mayfly completion profiles 2>/dev/null)" -d 'the profile whose credentials are granted'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a grants -d 'List the grants: who has what, and until when.'
complete -c mayfly -n '_shtab_mayfly_using grants' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using grants' -l json -d 'for scripts'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a revoke -d 'End a grant now.'
complete -c mayfly -n '_shtab_mayfly_using revoke' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using revoke' -l all -d 'all grants'
complete -c mayfly -n '_shtab_mayfly_using revoke' -l policy -d 'print the IAM policy that ends what AWS has issued, too (JSON)'
complete -c mayfly -n '_shtab_mayfly_using revoke; and test $_shtab_mayfly_npos -eq 0' -ka "(command mayfly completion grants 2>/dev/null)" -d 'the grant'"'"'s id, or its label if no other has it'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a approve -d 'Let a grant that asks have its credentials.'
complete -c mayfly -n '_shtab_mayfly_using approve' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using approve' -l yes -d 'approve without a question'
complete -c mayfly -n '_shtab_mayfly_using approve; and test $_shtab_mayfly_npos -eq 0' -ka "(command mayfly completion grants 2>/dev/null)" -d 'the grant'"'"'s id, or its label if no other has it'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a deny -d 'Refuse a grant that asks.'
complete -c mayfly -n '_shtab_mayfly_using deny' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using deny; and test $_shtab_mayfly_npos -eq 0' -ka "(command mayfly completion grants 2>/dev/null)" -d 'the grant'"'"'s id, or its label if no other has it'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a ssh -d 'Open a shell on another host, with credentials.'
complete -c mayfly -n '_shtab_mayfly_using ssh' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using ssh' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)'
complete -c mayfly -n '_shtab_mayfly_using ssh' -l for -x -d 'how long: 15m to 12h (default: 1h)'
complete -c mayfly -n '_shtab_mayfly_using ssh' -l read-only -d 'change nothing (ReadOnlyAccess: data can be read)'
complete -c mayfly -n '_shtab_mayfly_using ssh' -l view-only -d 'list and describe (ViewOnlyAccess: no data is read)'
complete -c mayfly -n '_shtab_mayfly_using ssh' -l policy-arn -x -d 'no more than these managed policies allow'
complete -c mayfly -n '_shtab_mayfly_using ssh' -l policy -xka "(__fish_complete_path (commandline -ct))" -d 'no more than this IAM policy (JSON) allows'
complete -c mayfly -n '_shtab_mayfly_using ssh' -l label -x -d 'its name in lists, logs and CloudTrail (default: HOST'"'"'s name)'
complete -c mayfly -n '_shtab_mayfly_using ssh' -l ask -d 'ask on the desktop, once, before the first use'
complete -c mayfly -n '_shtab_mayfly_using ssh' -l token-file -d 'for object_store, polars and deltalake: set the token'"'"'s file, not the token (old SDKs read none)'
complete -c mayfly -n '_shtab_mayfly_using ssh; and test $_shtab_mayfly_npos -eq 0' -ka "(command mayfly completion profiles 2>/dev/null)" -d 'the profile whose credentials are granted'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a login -d 'Get fresh credentials now, and wait for the human.'
complete -c mayfly -n '_shtab_mayfly_using login' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using login' -l through-lock -d 'prompt even if the screen is locked, for this login only'
complete -c mayfly -n '_shtab_mayfly_using login' -l min-life -x -d 'credentials that live so long: at once if there are any, else by asking now'
complete -c mayfly -n '_shtab_mayfly_using login; and test $_shtab_mayfly_npos -ge 0' -ka "(command mayfly completion profiles 2>/dev/null)" -d 'default: every profile without a source'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a forget -d 'Drop credentials from memory.'
complete -c mayfly -n '_shtab_mayfly_using forget' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using forget; and test $_shtab_mayfly_npos -ge 0' -ka "(command mayfly completion profiles 2>/dev/null)" -d 'default: all'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a status -d 'Show which credentials are fresh, and what went wrong.'
complete -c mayfly -n '_shtab_mayfly_using status' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using status' -l json -d 'the daemon'"'"'s whole status, for scripts'
complete -c mayfly -n '_shtab_mayfly_using status' -l watch -d 'the same page, live, until q or ctrl-c'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a prompt -d 'Print a profile and its time left for a shell'"'"'s prompt.'
complete -c mayfly -n '_shtab_mayfly_using prompt' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using prompt' -l folder -d 'print where the files for prompts are instead'
complete -c mayfly -n '_shtab_mayfly_using prompt; and test $_shtab_mayfly_npos -eq 0' -ka "(command mayfly completion profiles 2>/dev/null)" -d 'default: $MAYFLY_PROFILE, $AWS_PROFILE, or the only one that has a session'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a whoami -d 'Ask AWS who a profile is.'
complete -c mayfly -n '_shtab_mayfly_using whoami' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using whoami; and test $_shtab_mayfly_npos -eq 0' -ka "(command mayfly completion profiles 2>/dev/null)" -d PROFILE
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a console -d 'Open the AWS console in the browser, signed in with a role.'
complete -c mayfly -n '_shtab_mayfly_using console' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using console' -l to -x -d 'where to: s3, or a URL of the console'
complete -c mayfly -n '_shtab_mayfly_using console' -l print -d 'print the URL, which signs its reader in for 15 minutes'
complete -c mayfly -n '_shtab_mayfly_using console' -l browser -x -d 'the browser (default: $BROWSER, else the desktop'"'"'s)'
complete -c mayfly -n '_shtab_mayfly_using console' -l logout-first -d 'sign out of the browser'"'"'s present session before'
complete -c mayfly -n '_shtab_mayfly_using console; and test $_shtab_mayfly_npos -eq 0' -ka "(command mayfly completion profiles 2>/dev/null)" -d 'a profile with a role_arn'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a doctor -d 'Say what is well, what is not, and what mends it.'
complete -c mayfly -n '_shtab_mayfly_using doctor' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using doctor' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)'
complete -c mayfly -n '_shtab_mayfly_using doctor' -l json -d '{"checks": [{"id", "state", "message", "hint"}]}'
complete -c mayfly -n '_shtab_mayfly_using doctor' -l sandbox -d 'only what a program started here could reach besides what it is given'
complete -c mayfly -n '_shtab_mayfly_using doctor' -l ask -d 'also read the references from 1Password, which may raise its prompt'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a credential-process -d 'Print a profile'"'"'s credentials for credential_process.'
complete -c mayfly -n '_shtab_mayfly_using credential-process' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using credential-process' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)'
complete -c mayfly -n '_shtab_mayfly_using credential-process; and test $_shtab_mayfly_npos -eq 0' -ka "(command mayfly completion profiles 2>/dev/null)" -d PROFILE
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a aws-config -d 'Print or write profiles for ~/.aws/config.'
complete -c mayfly -n '_shtab_mayfly_using aws-config' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using aws-config' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)'
complete -c mayfly -n '_shtab_mayfly_using aws-config' -l write -d 'write them into ~/.aws/config (or $AWS_CONFIG_FILE)'
complete -c mayfly -n '_shtab_mayfly_using aws-config' -l replace -d 'with --write: also sections that you wrote; removes their keys by which SDKs find credentials'
complete -c mayfly -n '_shtab_mayfly_using aws-config' -l prefix -x -d 'put P before each profile'"'"'s name'
complete -c mayfly -n '_shtab_mayfly_using aws-config' -l remove -d 'take out what --write has written, and nothing else'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a import-aws-config -d 'Make a config from the profiles in ~/.aws.'
complete -c mayfly -n '_shtab_mayfly_using import-aws-config' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using import-aws-config' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)'
complete -c mayfly -n '_shtab_mayfly_using import-aws-config' -l item -x -d 'the item with the keys of PROFILE, or of all profiles; asked for if left out'
complete -c mayfly -n '_shtab_mayfly_using import-aws-config' -l write -d 'write it as the config, if there is none yet'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a install -d 'Make the daemon a service of this user.'
complete -c mayfly -n '_shtab_mayfly_using install' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using install' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)'
complete -c mayfly -n '_shtab_mayfly_using install' -l now -d 'start the service, too'
complete -c mayfly -n '_shtab_mayfly_using install' -l dry-run -d 'only show what would be written, and do nothing'
complete -c mayfly -n '_shtab_mayfly_using install' -l environment-d -x -d 'also give PROFILE to every program of the desktop, from the next log-in on (environment.d; systemd)'
complete -c mayfly -n '_shtab_mayfly_using install' -l launchctl-setenv -x -d 'also give PROFILE to every program that is started from now on, until log-out (macOS)'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a uninstall -d 'Remove the service.'
complete -c mayfly -n '_shtab_mayfly_using uninstall' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using uninstall' -l purge -d 'also remove the profiles in ~/.aws/config, the tokens and the config'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a reload -d 'Have the daemon read its changed config.'
complete -c mayfly -n '_shtab_mayfly_using reload' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a rotate -d 'Make new tokens, so that the old ones open nothing.'
complete -c mayfly -n '_shtab_mayfly_using rotate' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using rotate' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)'
complete -c mayfly -n '_shtab_mayfly_using rotate; and test $_shtab_mayfly_npos -ge 0' -ka "(command mayfly completion profiles 2>/dev/null)" -d 'default: all'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a recipe -d 'Print what to paste into a container engine or an agent.'
complete -c mayfly -n '_shtab_mayfly_using recipe' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using recipe' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)'
complete -c mayfly -n '_shtab_mayfly_using recipe' -l for -x -d 'how long: 15m to 12h (default: 1h)'
complete -c mayfly -n '_shtab_mayfly_using recipe' -l read-only -d 'change nothing (ReadOnlyAccess: data can be read)'
complete -c mayfly -n '_shtab_mayfly_using recipe' -l view-only -d 'list and describe (ViewOnlyAccess: no data is read)'
complete -c mayfly -n '_shtab_mayfly_using recipe' -l policy-arn -x -d 'no more than these managed policies allow'
complete -c mayfly -n '_shtab_mayfly_using recipe' -l policy -xka "(__fish_complete_path (commandline -ct))" -d 'no more than this IAM policy (JSON) allows'
complete -c mayfly -n '_shtab_mayfly_using recipe' -l label -x -d 'its name in lists, logs and CloudTrail (default: KIND)'
complete -c mayfly -n '_shtab_mayfly_using recipe' -l ask -d 'ask on the desktop, once, before the first use'
complete -c mayfly -n '_shtab_mayfly_using recipe' -l as -xka "endpoint file env" -d 'for an agent: how it gets the credentials'
complete -c mayfly -n '_shtab_mayfly_using recipe' -l docker-desktop -d 'for containers of Docker Desktop (on macOS: always)'
complete -c mayfly -n '_shtab_mayfly_using recipe; and test $_shtab_mayfly_npos -eq 0' -ka "compose docker podman devcontainer kind claude-code codex cursor mcp" -d 'compose, docker, podman, devcontainer, kind, claude-code, codex, cursor, mcp'
complete -c mayfly -n '_shtab_mayfly_using recipe; and test $_shtab_mayfly_npos -eq 1' -ka "(command mayfly completion profiles 2>/dev/null)" -d 'the profile whose credentials are granted'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a relay -d 'Carry bytes from a container to the daemon, unchanged.'
complete -c mayfly -n '_shtab_mayfly_using relay' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using relay' -l listen -x -d 'where clients connect, on the loopback interface; port 0: a free one, which is printed'
complete -c mayfly -n '_shtab_mayfly_using relay' -l to -x -d 'where the daemon or a grant'"'"'s socket is; it need not be there yet'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a completion -d 'Print what a shell evaluates to complete mayfly'"'"'s words.'
complete -c mayfly -n '_shtab_mayfly_using completion' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using completion' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)'
complete -c mayfly -n '_shtab_mayfly_using completion; and test $_shtab_mayfly_npos -eq 0' -ka "bash zsh fish profiles grants" -d 'the shell ('"'"'profiles'"'"', '"'"'grants'"'"': their names)'
complete -c mayfly -n '_shtab_mayfly_using; and test $_shtab_mayfly_npos -eq 0' -a help -d 'show what a command takes'
complete -c mayfly -n '_shtab_mayfly_using help' -s h -l help -d 'show this help message and exit'
complete -c mayfly -n '_shtab_mayfly_using help; and test $_shtab_mayfly_npos -eq 0' -ka "demo init serve env exec grant grants revoke approve deny ssh login forget status prompt whoami console doctor credential-process aws-config import-aws-config install uninstall reload rotate recipe relay completion" -d command
