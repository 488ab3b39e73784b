"""`make packages`: installs Mayfly as people do, from what would be published, and runs it."""
