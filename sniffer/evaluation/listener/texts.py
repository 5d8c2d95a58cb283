"""What is spoken: requests with a wake word, sentences without one, and words that sound alike."""

from __future__ import annotations

#: The wake words whose models ship and that speakers on the market use (Amazon's; Home Assistant's own), each with its
#: spelling for a synthesiser.
WAKE_WORDS = {"alexa": "Alexa", "okay_nabu": "Okay nah boo", "hey_jarvis": "Hey Jarvis"}

#: What follows a wake word. An empty one is a wake word alone.
COMMANDS = (
    "what time is it?",
    "turn on the light in the kitchen",
    "play some music",
    "",
)

#: Sentences of people and televisions, none with a wake word or one that sounds alike.
SENTENCES = (
    "I will be home a little later tonight, do not wait for me",
    "the match begins at half past seven",
    "could you pass me the bread please?",
    "the minister said on Monday that taxes would not rise",
    "where did you put the keys?",
    "it was raining all day, so we stayed inside and read",
    "next we add two eggs and a spoon of sugar",
    "no, I have not seen that film yet",
)

#: What sounds like a wake word: where it fools the listener, it fools the speaker.
CONFUSABLE = {
    "alexa": (
        "a lexicon lies on the table",
        "it is Alex's turn to cook",
        "the election is on Sunday",
        "I like some of them",
    ),
    "okay_nabu": ("okay, a new book", "the cake on the bureau", "okay now boo him"),
    "hey_jarvis": ("hey, Jarvis Street is closed", "hey, the service is slow", "they harvest it in May"),
}
