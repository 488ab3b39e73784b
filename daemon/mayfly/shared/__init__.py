"""Shared by several processes: values, places, and the messages between them."""
