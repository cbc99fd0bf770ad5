"""Texts for verification: what people ask for, and what might break a tokenizer or a tower.

Deterministic, so that two exports of one checkpoint are judged on the same texts.
"""

from __future__ import annotations

from itertools import cycle, islice
from typing import Final

MOODS: Final = (
    *("slow dark piano", "happy", "sad violin at night", "aggressive drum and bass", "lo-fi"),
    *("a calm acoustic guitar", "fast", "an orchestra that builds up to a loud finale"),
    *("80s synthwave with a driving bass", "music for studying", "rain and soft chords"),
    *("warm analogue pads, no drums", "a woman sings a lullaby", "solo flute", "techno, 140 BPM"),
    *("distorted guitars and shouting", "jazz trio in a small club", "children's choir"),
    *("melancholic strings", "bossa nova on a beach", "epic film music", "birdsong and a brook"),
    *("gamelan", "a waltz for two", "8-bit video game", "bright bells", "deep sub bass"),
    *("This is a sound of a dog barking.", "silence", "noise", "music without any drums at all"),
)

ODD: Final = (
    *("", " ", "\n", "a", ".", "…", "?!", "0", "-1", "<mask>", "a <pad> b", "</s>", "<s>", "\0"),
    *("Slow Dark Piano", "SLOW DARK PIANO", "slow  dark   piano", " slow dark piano "),
    *("slow\tdark\npiano", "slow-dark-piano", "slow_dark_piano", "slowdarkpiano"),
    *("https://example.org/?q=piano&x=1#y", '{"text": "piano"}', "C:\\music\\*.wav", "'; --"),
    *("don't stop me now", "it’s rock’n’roll", "“quoted”", "123456789012345", "3/4 @ 90.5bpm"),
)

SCRIPTS: Final = (
    *("langsames, düsteres Klavier", "piano lent et sombre, très doux", "pianoforte è già lì"),
    *("медленное тёмное пианино", "αργό σκοτεινό πιάνο", "慢而暗的钢琴", "遅くて暗いピアノ"),
    *("느리고 어두운 피아노", "بيانو بطيء ومظلم", "פסנתר איטי וחשוך", "धीमा उदास पियानो"),
    *("เปียโนช้าและมืด", "đàn dương cầm chậm và tối", "yavaş karanlık İstanbul piyanosu"),
    *(
        "🎹",
        "🎹🌧️🖤",
        "👩‍🎤 sings 🏳️‍🌈",
        "e\u0301té",
        "été",
        "ﬁne ﬂute",
        "𝓭𝓪𝓻𝓴 piano",
        "\u200bpiano\ufeff",
    ),
)

WORDS: Final = (
    *("slow", "dark", "piano", "with", "reverberating", "strings", "and", "a", "melody", "that"),
    *("unfolds", "over", "twelve", "bars", "while", "bass", "keeps", "time", "softly", "below"),
)

COUNTS: Final = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 90, 128, 200, 300, 505, 700, 3_000)
"""Words in a text: with most tokenizers the last three reach 512 tokens, and pass it."""


def texts() -> list[str]:
    """All of them, in a fixed order: over 100, from no token of their own to the most."""
    counted = [" ".join(islice(cycle(WORDS), count)) for count in COUNTS]
    return [*MOODS, *ODD, *SCRIPTS, *counted]
