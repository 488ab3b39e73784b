"""The `mayfly` command: it parses, calls and prints. Each command is one file; it imports heavy modules by itself.

Commands: demo, serve, env, exec, login, forget, status, whoami, credential_process, reload, rotate,
aws_config/aws_config, aws_config/import_aws_config, init/init, install/install, install/uninstall.

Shared by commands:

- main: finds the command, and knows exit codes; parser: what a command takes; speech: how people are spoken to
- client: one request on the control socket; daemon_calls: the same, with failures as words and exit codes
- serve_checks, config_watch: what `serve` checks first, and what it waits for where that fails
- target: the config's part that a shell needs; environment: the variables of a shell; shells: their syntax
- ports: who has a port; durations: times for people; status_page: what `status` prints
- aws_config/: sections (our block in ~/.aws/config), shadows ([default] in ~/.aws), regions, plan (what
  `import-aws-config` computes)
- init/: see its own list
- install/: with_systemd, with_launchd, unit_files (write and remove a unit), desktop (programs that no shell starts)
"""

from mayfly.cli.main import main


__all__ = ["main"]
