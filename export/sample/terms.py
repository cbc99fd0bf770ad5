"""What may be said of a synthesised song in words, and sentences that say it.

Every term holds of a song by what the generator knows of it: its style, instruments, scale and
tempo. So for each sentence it is known exactly which songs it describes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embed.sample.songs import Song, plan_of
from embed.sample.styles import STYLES

ALL: Final = tuple(style.name for style in STYLES)
DRUMLESS: Final = ("Ambient", "Waltz", "Gamelan")
DRUMMED: Final = tuple(name for name in ALL if name not in DRUMLESS)


@dataclass(frozen=True, slots=True)
class Described:
    """What the terms ask of a song."""

    style: str
    tempo_bpm: float


@dataclass(frozen=True, slots=True)
class Term:
    """Synonyms, and of which songs they hold: styles, and tempos in beats per minute."""

    kind: str
    words: tuple[str, ...]
    styles: tuple[str, ...] = ALL
    tempo_bpm: tuple[float, float] = (0, 1_000)

    def holds(self, song: Described) -> bool:
        """Whether it may be said of ``song``."""
        low, high = self.tempo_bpm
        return song.style in self.styles and low <= song.tempo_bpm < high


def _term(kind: str, words: str, *styles: str, tempo_bpm: tuple[float, float] = (0, 1_000)) -> Term:
    return Term(kind, tuple(words.split("|")), styles or ALL, tempo_bpm)


TERMS: Final = (
    _term("style", "chiptune|8-bit|video game|arcade|retro game|chip music|console", "Chiptune"),
    _term("style", "ambient|drone|soundscape|atmospheric|new age|meditation", "Ambient"),
    _term("style", "house|club|dance|techno|disco|four on the floor|DJ", "House"),
    _term("style", "waltz|ballroom|chamber|parlour|classical|salon", "Waltz"),
    _term("style", "drum and bass|jungle|breakbeat|dnb|drum 'n' bass|rave", "Drum and Bass"),
    _term("style", "gamelan|Balinese|Javanese|Indonesian|Bali|Asian", "Gamelan"),
    _term("style", "rock|garage rock|punk|grunge|indie rock|guitar band", "Garage Rock"),
    _term("style", "lo-fi|lofi|chillhop|hip hop|study beats|bedroom", "Lo-Fi"),
    _term("style", "electronic|synthetic|electronica|synthesizer", "House", "Drum and Bass",
          "Chiptune"),
    _term("style", "acoustic|unplugged", "Waltz", "Gamelan"),
    _term("instrument", "square waves|bleeps|blips|arpeggios|pulse lead", "Chiptune"),
    _term("instrument", "pads|synth pads|warm pads", "Ambient", "Drum and Bass"),
    _term("instrument", "choir|voices|flute|noise of wind", "Ambient"),
    _term("instrument", "claps|synth stabs|a kick on every beat|saw bass", "House"),
    _term("instrument", "piano|keys|keyboard", "Waltz", "Lo-Fi"),
    _term("instrument", "strings|violin|violins|fiddle|cello", "Waltz"),
    _term("instrument", "breakbeats|reese bass|sub bass|rolling drums", "Drum and Bass"),
    _term("instrument", "gongs|bells|metallophones|chimes|gong", "Gamelan"),
    _term("instrument", "electric guitar|guitars|guitar|distortion|distorted guitars|fuzz",
          "Garage Rock"),
    _term("instrument", "electric piano|Rhodes|tape hiss|vinyl crackle|soft drums", "Lo-Fi"),
    _term("instrument", "drums|beats|a beat|percussion|a drummer", *DRUMMED),
    _term("without", "drums|beats|a beat|a drummer", *DRUMLESS),
    _term("mood", "happy|cheerful|playful|joyful|fun|bright|upbeat", "Chiptune"),
    _term("mood", "calm|peaceful|dreamy|floating|ethereal|spacious|tranquil", "Ambient"),
    _term("mood", "groovy|driving|hypnotic|pumping|party", "House"),
    _term("mood", "elegant|romantic|graceful|old-fashioned|charming|sentimental", "Waltz"),
    _term("mood", "frantic|intense|menacing|hectic", "Drum and Bass"),
    _term("mood", "mysterious|exotic|shimmering|ceremonial|metallic|ritual", "Gamelan"),
    _term("mood", "loud|raw|noisy|angry|heavy|rough|dirty|wild", "Garage Rock"),
    _term("mood", "mellow|cosy|sleepy|warm|dusty|muffled|laid-back|nostalgic", "Lo-Fi"),
    _term("mood", "relaxing|quiet|soft|gentle|chill|soothing", "Ambient", "Lo-Fi"),
    _term("mood", "energetic|exciting|powerful|lively", "Chiptune", "House", "Drum and Bass",
          "Garage Rock"),
    _term("mood", "sad|melancholic|gloomy", "Ambient", "Lo-Fi", "Drum and Bass"),
    # Little above 1 to 4 kHz, or a bass that drowns it.
    _term("mood", "dark|darker|sombre", "Ambient", "Lo-Fi", "Drum and Bass"),
    _term("mood", "aggressive|hard", "Drum and Bass", "Garage Rock"),
    _term("use", "sleeping|falling asleep|meditating|yoga|floating", "Ambient"),
    _term("use", "studying|reading|a rainy day|coffee", "Lo-Fi"),
    _term("use", "dancing|a night club|the dance floor|a party", "House"),
    _term("use", "a wedding|a ball|couples", "Waltz"),
    _term("use", "a temple|a ceremony", "Gamelan"),
    _term("use", "gaming|a platform game|jumping", "Chiptune"),
    _term("use", "a car chase|running", "Drum and Bass"),
    _term("use", "a dive bar|a mosh pit", "Garage Rock"),
    _term("tempo", "very slow|extremely slow", tempo_bpm=(0, 72)),
    _term("tempo", "slow|unhurried|downtempo", tempo_bpm=(0, 95)),
    _term("tempo", "medium tempo|moderate|mid-tempo", tempo_bpm=(85, 130)),
    _term("tempo", "fast|quick|uptempo", tempo_bpm=(130, 1_000)),
    _term("tempo", "very fast|rapid|breakneck", tempo_bpm=(165, 1_000)),
)  # fmt: skip

NOUNS: Final = ("music", "track", "song", "tune", "piece")

TRAINING: Final[tuple[str, ...]] = (
    "{tempo} {mood} {style} {noun}",
    "{mood} {style} {noun} with {instrument}",
    "{tempo} {style} with {instrument} and {instrument}",
    "a {mood} {noun} for {use}",
    "{style} {noun}, {mood}, {tempo}",
    "{tempo} {mood} {instrument}",
    "{mood} {noun} without {without}",
    "{style}",
    "{mood}",
    "{instrument}",
    "{tempo} {style}",
    "{mood} and {mood}",
    "{noun} for {use}",
    "{instrument}, {mood}, no {without}",
    "something {mood} with {instrument}",
    "{style} {instrument} {tempo}",
)
HELD_OUT: Final[tuple[str, ...]] = (
    "I would like to hear {mood} {style} {noun} that is {tempo}",
    "{instrument} playing {tempo} {style}",
    "play me some {style}, {mood} please, with {instrument}",
    "{noun}: {tempo}; {instrument}; {style}",
    "the sound of {instrument} in a {mood} {style} {noun}",
    "{style} that suits {use}, {tempo} and {mood}",
)
"""Sentences that training never sees: other words around the terms, in another order."""


FILLERS: Final = (
    *("find", "me", "some", "give", "us", "we", "you", "want", "need", "show", "looking", "any"),
    *("really", "quite", "rather", "good", "nice", "best", "kind", "sort", "this", "these", "my"),
    *("it", "its", "was", "be", "very", "more", "most", "as", "at", "from", "by", "on", "all"),
    *("where", "which", "when", "who", "has", "have", "can", "could", "should", "maybe", "or"),
    *("full", "lots", "bit", "little", "new", "other", "people", "today", "now", "style", "with"),
)
"""Words that say nothing of a song."""


def wrapped(text: str, rng: np.random.Generator) -> str:
    """``text`` among words that say nothing, known ones and made-up ones: the tower must learn
    to pass over what it does not know."""
    if rng.random() < 0.3:
        return text
    before, after = ([_filler(rng) for _ in range(rng.integers(most))] for most in (6, 5))
    words = text.split(" ")
    if rng.random() < 0.3:
        words.insert(int(rng.integers(len(words) + 1)), _filler(rng))
    return " ".join([*before, *words, *after])


def _filler(rng: np.random.Generator) -> str:
    if rng.random() < 0.5:
        return FILLERS[int(rng.integers(len(FILLERS)))]
    letters = rng.integers(ord("a"), ord("z") + 1, int(rng.integers(1, 8)))
    return "".join(map(chr, letters))


def described(songs: Sequence[Song], seed: int) -> list[Described]:
    """What the generator knows of songs made with ``seed``."""
    return [Described(song.style.name, plan_of(song, seed).tempo_bpm) for song in songs]


def sentence(
    song: Described, templates: Sequence[str], rng: np.random.Generator
) -> tuple[str, list[Term]]:
    """Something true of ``song``, and the terms it says; spelt in small letters or not."""
    while True:
        template = templates[int(rng.integers(len(templates)))]
        said: list[Term] = []
        text = ""
        for part in template.split("{"):
            kind, closed, rest = part.partition("}")
            word = _choose(kind, song, said, rng) if closed else kind
            if word is None:
                break  # a song of this style has no term of this kind: another template
            text += word + rest
        else:
            if rng.random() < 0.5:
                text = text.lower()
            return text, said


def _choose(kind: str, song: Described, said: list[Term], rng: np.random.Generator) -> str | None:
    if kind == "noun":
        return NOUNS[int(rng.integers(len(NOUNS)))]
    fitting = [term for term in TERMS if term.kind == kind and term.holds(song)]
    fitting = [term for term in fitting if term not in said]
    if not fitting:
        return None
    term = fitting[int(rng.integers(len(fitting)))]
    said.append(term)
    return term.words[int(rng.integers(len(term.words)))]


class Truth:
    """Of which of ``songs`` a sentence is true: bool ``(N,)`` of the terms it says."""

    def __init__(self, songs: Sequence[Described]) -> None:
        self._holds = {term: np.array([term.holds(song) for song in songs]) for term in TERMS}

    def of(self, terms: Sequence[Term]) -> NDArray[np.bool_]:
        """Where all ``terms`` hold."""
        found: NDArray[np.bool_] = np.logical_and.reduce([self._holds[term] for term in terms])
        return found
