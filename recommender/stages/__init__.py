"""The stages of a training: what each took in time and memory, and how long the rest will take."""
