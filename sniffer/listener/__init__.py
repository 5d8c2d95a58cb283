"""The second program: a microphone that listens for wake words, reports them, and says what it heard when asked."""
