"""The commands `aws-config` and `import-aws-config`, and all that the command reads and writes in ~/.aws."""
