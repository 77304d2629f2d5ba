"""A person's own PyTorch or Keras model, read as the layers that do its work; nothing is trained."""
