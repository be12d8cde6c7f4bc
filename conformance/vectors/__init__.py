"""The vectors of the specification, each derived anew: a function a family, from a case to its outcome."""
