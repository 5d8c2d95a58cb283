"""The second program: a microphone that listens for wake words and reports them."""
