"""What several processes share: values, places, and what they say to each other."""
