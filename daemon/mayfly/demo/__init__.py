"""The world outside, small enough to carry: an embedded vault behind `op`, an embedded STS."""
