"""The `mayfly` command: it parses, calls and prints. Each command is one file; it imports heavy modules by itself.

Commands: demo, serve, env, exec, login, forget, status/status, whoami, console/console, doctor/doctor,
credential_process, reload, rotate, completion/completion, prompt, aws_config/aws_config, aws_config/import_aws_config,
init/init, install/install, install/uninstall.

Shared by commands:

- main: finds the command, and knows exit codes; parser: what a command takes; speech: how people are spoken to
- client: one request on the control socket; daemon_calls: the same, with failures as words and exit codes
- waited_answer: an answer that may be late; waiting: tells what it waits for; stage_words: in which words
- min_life: the option of that name; op_variables: hints on variables of this shell, after a refusal by 1Password
- config_text, config_file: a config as TOML, judged by the daemon's loader and then written
- serve_checks, config_watch: what `serve` checks first, and what it waits for where that fails
- target: the config's part that a shell needs; environment: the variables of a shell; shells: their syntax
- ports: who has a port; durations: times for people; terminal: what a terminal can show, and lines that fit it
- status/: page, blocks, phrases (what `status` prints), watch, follower, screen (the same, live)
- aws_config/: sections (our block in ~/.aws/config), shadows ([default] in ~/.aws), regions, plan (what
  `import-aws-config` computes)
- console/, doctor/, init/, completion/: see their own lists
- install/: with_systemd, with_launchd, unit_files (write and remove a unit), desktop (programs that no shell starts),
  leftovers (what stays after `uninstall`), lasting_place (whether a service may point to this installation)
"""

from mayfly.cli.main import main


__all__ = ["main"]
