"""What the recorded curves of a sweep say, in numbers and words: no HTML, no tracking store."""
