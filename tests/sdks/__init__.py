"""Real SDKs in front of a cold daemon: `make sdks`."""
