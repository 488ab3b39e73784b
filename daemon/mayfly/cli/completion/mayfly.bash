# Completion of mayfly's commands, options, profiles and grants. Made by `make generate`: do not edit.

_shtab_mayfly_subparsers=(demo init serve env exec grant grants revoke approve deny ssh login forget status prompt whoami console doctor credential-process aws-config import-aws-config install uninstall reload rotate recipe relay completion help)

_shtab_mayfly_demo_option_strings=(-h --help --once)
_shtab_mayfly_init_option_strings=(-h --help --config --item --otp-item --field --otp-command --no-mfa --profile --region --no-roles --account --token-file --connect-token-file --mfa-id --yes --force --install --aws-config --login)
_shtab_mayfly_serve_option_strings=(-h --help --config --listen --sealed)
_shtab_mayfly_env_option_strings=(-h --help --config --shell --token-file --off)
_shtab_mayfly_exec_option_strings=(-h --help --config --token-file --allow-shadow --min-life)
_shtab_mayfly_grant_option_strings=(-h --help --config --for --read-only --view-only --policy-arn --policy --label --ask --as --allow-disk --token-file --shell)
_shtab_mayfly_grants_option_strings=(-h --help --json)
_shtab_mayfly_revoke_option_strings=(-h --help --all --policy)
_shtab_mayfly_approve_option_strings=(-h --help --yes)
_shtab_mayfly_deny_option_strings=(-h --help)
_shtab_mayfly_ssh_option_strings=(-h --help --config --for --read-only --view-only --policy-arn --policy --label --ask --token-file)
_shtab_mayfly_login_option_strings=(-h --help --through-lock --min-life)
_shtab_mayfly_forget_option_strings=(-h --help)
_shtab_mayfly_status_option_strings=(-h --help --json --watch)
_shtab_mayfly_prompt_option_strings=(-h --help --folder)
_shtab_mayfly_whoami_option_strings=(-h --help)
_shtab_mayfly_console_option_strings=(-h --help --to --print --browser --logout-first)
_shtab_mayfly_doctor_option_strings=(-h --help --config --json --sandbox --ask)
_shtab_mayfly_credential_process_option_strings=(-h --help --config)
_shtab_mayfly_aws_config_option_strings=(-h --help --config --write --replace --prefix --remove)
_shtab_mayfly_import_aws_config_option_strings=(-h --help --config --item --write)
_shtab_mayfly_install_option_strings=(-h --help --config --now --dry-run --environment-d --launchctl-setenv)
_shtab_mayfly_uninstall_option_strings=(-h --help --purge)
_shtab_mayfly_reload_option_strings=(-h --help)
_shtab_mayfly_rotate_option_strings=(-h --help --config)
_shtab_mayfly_recipe_option_strings=(-h --help --config --for --read-only --view-only --policy-arn --policy --label --ask --as --docker-desktop)
_shtab_mayfly_relay_option_strings=(-h --help --listen --to)
_shtab_mayfly_completion_option_strings=(-h --help --config)
_shtab_mayfly_help_option_strings=(-h --help)
_shtab_mayfly_option_strings=(-h --help --version)

_shtab_mayfly_init___config_COMPGEN=_shtab_compgen_files
_shtab_mayfly_init___profile_COMPGEN=_mayfly_profiles
_shtab_mayfly_init___token_file_COMPGEN=_shtab_compgen_files
_shtab_mayfly_init___connect_token_file_COMPGEN=_shtab_compgen_files
_shtab_mayfly_serve___config_COMPGEN=_shtab_compgen_files
_shtab_mayfly_env_pos_0_COMPGEN=_mayfly_profiles
_shtab_mayfly_env___config_COMPGEN=_shtab_compgen_files
_shtab_mayfly_exec_pos_0_COMPGEN=_mayfly_profiles
_shtab_mayfly_exec___config_COMPGEN=_shtab_compgen_files
_shtab_mayfly_grant_pos_0_COMPGEN=_mayfly_profiles
_shtab_mayfly_grant___config_COMPGEN=_shtab_compgen_files
_shtab_mayfly_grant___policy_COMPGEN=_shtab_compgen_files
_shtab_mayfly_revoke_pos_0_COMPGEN=_mayfly_grants
_shtab_mayfly_approve_pos_0_COMPGEN=_mayfly_grants
_shtab_mayfly_deny_pos_0_COMPGEN=_mayfly_grants
_shtab_mayfly_ssh_pos_0_COMPGEN=_mayfly_profiles
_shtab_mayfly_ssh___config_COMPGEN=_shtab_compgen_files
_shtab_mayfly_ssh___policy_COMPGEN=_shtab_compgen_files
_shtab_mayfly_login_pos_0_COMPGEN=_mayfly_profiles
_shtab_mayfly_forget_pos_0_COMPGEN=_mayfly_profiles
_shtab_mayfly_prompt_pos_0_COMPGEN=_mayfly_profiles
_shtab_mayfly_whoami_pos_0_COMPGEN=_mayfly_profiles
_shtab_mayfly_console_pos_0_COMPGEN=_mayfly_profiles
_shtab_mayfly_doctor___config_COMPGEN=_shtab_compgen_files
_shtab_mayfly_credential_process_pos_0_COMPGEN=_mayfly_profiles
_shtab_mayfly_credential_process___config_COMPGEN=_shtab_compgen_files
_shtab_mayfly_aws_config___config_COMPGEN=_shtab_compgen_files
_shtab_mayfly_import_aws_config___config_COMPGEN=_shtab_compgen_files
_shtab_mayfly_install___config_COMPGEN=_shtab_compgen_files
_shtab_mayfly_rotate_pos_0_COMPGEN=_mayfly_profiles
_shtab_mayfly_rotate___config_COMPGEN=_shtab_compgen_files
_shtab_mayfly_recipe_pos_1_COMPGEN=_mayfly_profiles
_shtab_mayfly_recipe___config_COMPGEN=_shtab_compgen_files
_shtab_mayfly_recipe___policy_COMPGEN=_shtab_compgen_files
_shtab_mayfly_completion___config_COMPGEN=_shtab_compgen_files

_shtab_mayfly_env___shell_choices=(posix fish pwsh json)
_shtab_mayfly_grant___as_choices=(endpoint file env socket)
_shtab_mayfly_grant___shell_choices=(posix fish pwsh json)
_shtab_mayfly_recipe_pos_0_choices=(compose docker podman devcontainer kind claude-code codex cursor mcp)
_shtab_mayfly_recipe___as_choices=(endpoint file env)
_shtab_mayfly_completion_pos_0_choices=(bash zsh fish profiles grants)
_shtab_mayfly_help_pos_0_choices=(demo init serve env exec grant grants revoke approve deny ssh login forget status prompt whoami console doctor credential-process aws-config import-aws-config install uninstall reload rotate recipe relay completion)
_shtab_mayfly_pos_0_choices=(demo init serve env exec grant grants revoke approve deny ssh login forget status prompt whoami console doctor credential-process aws-config import-aws-config install uninstall reload rotate recipe relay completion help)

_shtab_mayfly_demo__h_nargs=0
_shtab_mayfly_demo___help_nargs=0
_shtab_mayfly_demo___once_nargs=0
_shtab_mayfly_init__h_nargs=0
_shtab_mayfly_init___help_nargs=0
_shtab_mayfly_init___no_mfa_nargs=0
_shtab_mayfly_init___no_roles_nargs=0
_shtab_mayfly_init___yes_nargs=0
_shtab_mayfly_init___force_nargs=0
_shtab_mayfly_init___install_nargs=0
_shtab_mayfly_init___aws_config_nargs=0
_shtab_mayfly_init___login_nargs=0
_shtab_mayfly_serve__h_nargs=0
_shtab_mayfly_serve___help_nargs=0
_shtab_mayfly_serve___sealed_nargs=0
_shtab_mayfly_env__h_nargs=0
_shtab_mayfly_env___help_nargs=0
_shtab_mayfly_env___token_file_nargs=0
_shtab_mayfly_env___off_nargs=0
_shtab_mayfly_exec__h_nargs=0
_shtab_mayfly_exec___help_nargs=0
_shtab_mayfly_exec___token_file_nargs=0
_shtab_mayfly_exec___allow_shadow_nargs=0
_shtab_mayfly_grant__h_nargs=0
_shtab_mayfly_grant___help_nargs=0
_shtab_mayfly_grant___read_only_nargs=0
_shtab_mayfly_grant___view_only_nargs=0
_shtab_mayfly_grant___policy_arn_nargs=+
_shtab_mayfly_grant___ask_nargs=0
_shtab_mayfly_grant___allow_disk_nargs=0
_shtab_mayfly_grant___token_file_nargs=0
_shtab_mayfly_grants__h_nargs=0
_shtab_mayfly_grants___help_nargs=0
_shtab_mayfly_grants___json_nargs=0
_shtab_mayfly_revoke__h_nargs=0
_shtab_mayfly_revoke___help_nargs=0
_shtab_mayfly_revoke___all_nargs=0
_shtab_mayfly_revoke___policy_nargs=0
_shtab_mayfly_approve__h_nargs=0
_shtab_mayfly_approve___help_nargs=0
_shtab_mayfly_approve___yes_nargs=0
_shtab_mayfly_deny__h_nargs=0
_shtab_mayfly_deny___help_nargs=0
_shtab_mayfly_ssh__h_nargs=0
_shtab_mayfly_ssh___help_nargs=0
_shtab_mayfly_ssh___read_only_nargs=0
_shtab_mayfly_ssh___view_only_nargs=0
_shtab_mayfly_ssh___policy_arn_nargs=+
_shtab_mayfly_ssh___ask_nargs=0
_shtab_mayfly_ssh___token_file_nargs=0
_shtab_mayfly_login_pos_0_nargs='*'
_shtab_mayfly_login__h_nargs=0
_shtab_mayfly_login___help_nargs=0
_shtab_mayfly_login___through_lock_nargs=0
_shtab_mayfly_forget_pos_0_nargs='*'
_shtab_mayfly_forget__h_nargs=0
_shtab_mayfly_forget___help_nargs=0
_shtab_mayfly_status__h_nargs=0
_shtab_mayfly_status___help_nargs=0
_shtab_mayfly_status___json_nargs=0
_shtab_mayfly_status___watch_nargs=0
_shtab_mayfly_prompt__h_nargs=0
_shtab_mayfly_prompt___help_nargs=0
_shtab_mayfly_prompt___folder_nargs=0
_shtab_mayfly_whoami__h_nargs=0
_shtab_mayfly_whoami___help_nargs=0
_shtab_mayfly_console__h_nargs=0
_shtab_mayfly_console___help_nargs=0
_shtab_mayfly_console___print_nargs=0
_shtab_mayfly_console___logout_first_nargs=0
_shtab_mayfly_doctor__h_nargs=0
_shtab_mayfly_doctor___help_nargs=0
_shtab_mayfly_doctor___json_nargs=0
_shtab_mayfly_doctor___sandbox_nargs=0
_shtab_mayfly_doctor___ask_nargs=0
_shtab_mayfly_credential_process__h_nargs=0
_shtab_mayfly_credential_process___help_nargs=0
_shtab_mayfly_aws_config__h_nargs=0
_shtab_mayfly_aws_config___help_nargs=0
_shtab_mayfly_aws_config___write_nargs=0
_shtab_mayfly_aws_config___replace_nargs=0
_shtab_mayfly_aws_config___remove_nargs=0
_shtab_mayfly_import_aws_config__h_nargs=0
_shtab_mayfly_import_aws_config___help_nargs=0
_shtab_mayfly_import_aws_config___write_nargs=0
_shtab_mayfly_install__h_nargs=0
_shtab_mayfly_install___help_nargs=0
_shtab_mayfly_install___now_nargs=0
_shtab_mayfly_install___dry_run_nargs=0
_shtab_mayfly_uninstall__h_nargs=0
_shtab_mayfly_uninstall___help_nargs=0
_shtab_mayfly_uninstall___purge_nargs=0
_shtab_mayfly_reload__h_nargs=0
_shtab_mayfly_reload___help_nargs=0
_shtab_mayfly_rotate_pos_0_nargs='*'
_shtab_mayfly_rotate__h_nargs=0
_shtab_mayfly_rotate___help_nargs=0
_shtab_mayfly_recipe__h_nargs=0
_shtab_mayfly_recipe___help_nargs=0
_shtab_mayfly_recipe___read_only_nargs=0
_shtab_mayfly_recipe___view_only_nargs=0
_shtab_mayfly_recipe___policy_arn_nargs=+
_shtab_mayfly_recipe___ask_nargs=0
_shtab_mayfly_recipe___docker_desktop_nargs=0
_shtab_mayfly_relay__h_nargs=0
_shtab_mayfly_relay___help_nargs=0
_shtab_mayfly_completion__h_nargs=0
_shtab_mayfly_completion___help_nargs=0
_shtab_mayfly_help__h_nargs=0
_shtab_mayfly_help___help_nargs=0
_shtab_mayfly_pos_0_nargs=A...
_shtab_mayfly__h_nargs=0
_shtab_mayfly___help_nargs=0
_shtab_mayfly___version_nargs=0


# Custom Preamble
_mayfly_profiles() {
  compgen -W "$(command mayfly completion profiles 2>/dev/null)" -- "$1"
}

_mayfly_grants() {
  compgen -W "$(command mayfly completion grants 2>/dev/null)" -- "$1"
}

# End Custom Preamble

# $1=COMP_WORDS[1]
_shtab_compgen_files() {
  compgen -f -- $1  # files
}

# $1=COMP_WORDS[1]
_shtab_compgen_dirs() {
  compgen -d -- $1  # recurse into subdirs
}

# $1=COMP_WORDS[1]
_shtab_replace_nonword() {
  echo "${1//[^[:word:]]/_}"
}

# set default values (called for the initial parser & any subparsers)
_set_parser_defaults() {
  local subparsers_var="${prefix}_subparsers[@]"
  sub_parsers=${!subparsers_var-}

  local current_option_strings_var="${prefix}_option_strings[@]"
  current_option_strings=${!current_option_strings_var}

  completed_positional_actions=0

  _set_new_action "pos_$completed_positional_actions" true
}

# $1=action identifier
# $2=positional action (bool)
# set all identifiers for an action's parameters
_set_new_action() {
  current_action="${prefix}_$(_shtab_replace_nonword $1)"

  local current_action_compgen_var=${current_action}_COMPGEN
  current_action_compgen="${!current_action_compgen_var-}"

  local current_action_choices_var="${current_action}_choices[@]"
  current_action_choices="${!current_action_choices_var-}"

  local current_action_nargs_var="${current_action}_nargs"
  if [ -n "${!current_action_nargs_var-}" ]; then
    current_action_nargs="${!current_action_nargs_var}"
  else
    current_action_nargs=1
  fi

  current_action_args_start_index=$(( $word_index + 1 - $pos_only ))

  current_action_is_positional=$2
}

# Notes:
# `COMPREPLY`: what will be rendered after completion is triggered
# `completing_word`: currently typed word to generate completions for
# `${!var}`: evaluates the content of `var` and expand its content as a variable
#     hello="world"
#     x="hello"
#     ${!x} -> ${hello} -> "world"
_shtab_mayfly() {
  local completing_word="${COMP_WORDS[COMP_CWORD]}"
  local previous_word="${COMP_WORDS[COMP_CWORD-1]}"
  local completed_positional_actions
  local current_action
  local current_action_args_start_index
  local current_action_choices
  local current_action_compgen
  local current_action_is_positional
  local current_action_nargs
  local current_option_strings
  local sub_parsers
  COMPREPLY=()

  local prefix=_shtab_mayfly
  local word_index=0
  local pos_only=0 # "--" delimiter not encountered yet
  _set_parser_defaults
  word_index=1

  # determine what arguments are appropriate for the current state
  # of the arg parser
  while [ $word_index -ne $COMP_CWORD ]; do
    local this_word="${COMP_WORDS[$word_index]}"

    if [[ $pos_only = 1 || " $this_word " != " -- " ]]; then
      if [[ -n $sub_parsers && " ${sub_parsers[@]} " == *" $this_word "* ]]; then
        # valid subcommand: add it to the prefix & reset the current action
        prefix="${prefix}_$(_shtab_replace_nonword $this_word)"
        _set_parser_defaults
      fi

      if [[ " ${current_option_strings[@]} " == *" $this_word "* ]]; then
        # a new action should be acquired (due to recognised option string or
        # no more input expected from current action);
        # the next positional action can fill in here
        _set_new_action $this_word false
      fi

      if [[ "$current_action_nargs" != "*" ]] && \
         [[ "$current_action_nargs" != "+" ]] && \
         [[ "$current_action_nargs" != "?" ]] && \
         [[ "$current_action_nargs" != *"..." ]] && \
         (( $word_index + 1 - $current_action_args_start_index - $pos_only >= \
            $current_action_nargs )); then
        $current_action_is_positional && let "completed_positional_actions += 1"
        _set_new_action "pos_$completed_positional_actions" true
      fi
    else
      pos_only=1 # "--" delimiter encountered
    fi

    let "word_index+=1"
  done

  # Generate the completions

  COMPREPLY=()
  if [[ $pos_only = 0 && "$completing_word" == -* &&
        ( -z "$current_action_compgen" || "$current_action_is_positional" = true ) ]]; then
    # optional argument started: use option strings
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_option_strings[*]}" -- "$completing_word")
  elif [[ "$previous_word" =~ ^[0-9\&]*[\<\>]\>?$ ]]; then
    # handle redirection operators
    compopt -o filenames 2>/dev/null || : # bash>=4
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$completing_word")
  else
    # use choices & compgen
    local action_compgen_word="$completing_word"
    # handle tab-completing in the middle of a line (#248 <- #116)
    [[ -n "$current_action_compgen" && "$completing_word" == -* ]] && action_compgen_word=""
    [ -n "$current_action_compgen" ] && {
      [[ "$current_action_compgen" =~ _(file|dir|glob|FILE|DIR|GLOB)|File|Dir|Glob ]] &&
        compopt -o filenames 2>/dev/null || : # bash>=4
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
        "$current_action_compgen" "$action_compgen_word")
    }
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_action_choices[*]}" -- "$completing_word")
  fi

  if [[ ${#COMPREPLY[@]} = 0 ]]; then
    # native fallback matches are not necessarily filenames (e.g. variables)
    compopt +o filenames 2>/dev/null || : # bash>=4
  fi

  return 0
}

complete -o bashdefault -F _shtab_mayfly mayfly
