"""Training data, its encoding, and the engines that train on it."""
