"""Stems → training songs, in the mel domain: layers, then one production for both windows.

Powers of independent layers add, filters are gains per band, and a recording's noise floor
is a maximum with noise; so all of it is done on log-mels, a few milliseconds a song. Two
windows of one recording share their production, and songs here do too: equaliser, codec
low-pass, room, dynamics, noise floor and level are drawn once a song.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

FLOOR_DB: Final = -100.0
"""Where embed.mel floors."""

LAYER_SHARES: Final = (0.05, 0.1, 0.15, 0.2, 0.2, 0.15, 0.15)
"""How often a song has 1, 2, … layers."""


@dataclass(frozen=True)
class Mixer:
    """Draws songs from a bank of stems, float16 ``(stems, 2, frames, bands)`` in dB."""

    bank: Tensor
    generator: torch.Generator

    def songs(self, count: int) -> Tensor:
        """``count`` songs: float32 ``(count, 2, frames, bands)`` in dB, floored at −100."""
        mixed = torch.stack([self._layers() for _ in range(count)])
        mel = self._produce(10 * torch.log10(mixed + 1e-9))
        return mel.clamp_(min=FLOOR_DB)

    def _layers(self) -> Tensor:
        """Power of one song's layers, ``(2, frames, bands)``, about 1 in the mean."""
        shares = torch.tensor(LAYER_SHARES)
        layers = 1 + int(torch.multinomial(shares, 1, generator=self.generator))
        power = torch.zeros(self.bank.shape[1:])
        for layer in range(layers):
            stem = int(torch.randint(len(self.bank), (1,), generator=self.generator))
            part = self._moved(self.bank[stem].float())
            part = torch.exp2(part * (3.3219281 / 10))
            gain_db = self._normal(1, spread=6.0) + self._normal(2, spread=3.0)
            if layer and self._uniform(0, 1) < 0.25:
                # A layer that rests in one section: what a song loses and stays itself.
                gain_db[int(self._uniform(0, 2))] -= 25
            gain = torch.exp2(gain_db * (3.3219281 / 10)) / part.mean().clamp(min=1e-9)
            power += part * gain[:, None, None]
        return power / power.mean()

    def _moved(self, mel: Tensor) -> Tensor:
        """Another pitch, tempo and phase: a stem serves as several instruments."""
        frames, bands = mel.shape[1:]
        shift = int(self._normal(1, spread=3.0))
        speed = float(torch.exp(self._normal(1, spread=0.2)))
        start = self._uniform(0, frames)
        time = ((torch.arange(frames) * speed + start) % frames).long()
        band = torch.arange(bands) - shift
        moved = mel[:, time][:, :, band.clamp(0, bands - 1)]
        # Beyond the edge there was no sound to shift in: fade it out.
        outside = (-band).clamp(min=0) + (band - bands + 1).clamp(min=0)
        return moved - 6.0 * outside

    def _produce(self, mel: Tensor) -> Tensor:
        songs, windows, frames, bands = mel.shape
        band = torch.linspace(-1, 1, bands)
        mel = self._dynamics(self._room(mel))
        tilt = self._normal(songs, 1, spread=6.5) - 12
        gain = tilt * band + self._smooth(songs, bands, spread=4.0)
        cut = torch.where(self._rand(songs, 1) < 0.35, 30 + 34 * self._rand(songs, 1), 99.0)
        slope = 2 + 13 * self._rand(songs, 1)
        gain -= slope * (torch.arange(bands) - cut).clamp(min=0)
        cut = torch.where(self._rand(songs, 1) < 0.25, 14 * self._rand(songs, 1), -1.0)
        gain -= 2.0 * (cut - torch.arange(bands)).clamp(min=0)
        section = self._smooth(songs * windows, bands, spread=1.5).reshape(songs, windows, bands)
        mel = mel + gain[:, None, None, :] + section[:, :, None, :]
        mel = mel - mel.mean(dim=(1, 2, 3), keepdim=True)
        mel = torch.maximum(mel, self._hiss(songs, windows, frames, bands))
        mel = mel - mel.mean(dim=(1, 2, 3), keepdim=True)
        level = self._normal(songs, 1, 1, 1, spread=8.0) - 25
        return mel + level + self._normal(songs, windows, 1, 1, spread=2.0)

    def _room(self, mel: Tensor) -> Tensor:
        """Decay limited to so many dB a frame, as reverberation does; most songs."""
        songs, _, frames, _ = mel.shape
        per_frame = 0.08 + 1.0 * self._rand(songs, 1, 1)
        per_frame = torch.where(self._rand(songs, 1, 1) < 0.8, per_frame, 99.0)
        wet_db = -15 * self._rand(songs, 1, 1)
        tail = mel[:, :, 0].clone()
        out = mel.clone()
        for frame in range(frames):
            tail = torch.maximum(tail - per_frame, mel[:, :, frame])
            out[:, :, frame] = torch.maximum(mel[:, :, frame], tail + wet_db)
        return out

    def _dynamics(self, mel: Tensor) -> Tensor:
        """Compression or expansion of the loudness over time, and of the spectrum's contrast."""
        songs = len(mel)
        loud = torch.logsumexp(mel * 0.23, dim=3, keepdim=True) / 0.23
        slow = torch.nn.functional.avg_pool1d(
            loud.flatten(0, 1).transpose(1, 2), 21, 1, 10, count_include_pad=False
        )
        slow = slow.transpose(1, 2).reshape(loud.shape)
        slow = slow - slow.mean(dim=(1, 2), keepdim=True)
        squeezed = mel - (self._rand(songs, 1, 1, 1) * 0.9 - 0.1) * slow
        contrast = torch.exp(self._normal(songs, 1, 1, 1, spread=0.15))
        return squeezed * contrast

    def _hiss(self, songs: int, windows: int, frames: int, bands: int) -> Tensor:
        """A noise floor 0 to 60 dB below the music's mean, of any colour."""
        colour = (self._normal(songs, 1, spread=8.0) - 12) * torch.linspace(-1, 1, bands)
        level = -60 * self._rand(songs, 1)
        grain = 0.5 + 3.0 * self._rand(songs, 1, 1, 1)
        noise = self._normal(songs, windows, frames, bands, spread=1.0) * grain
        return noise + (colour + level + self._smooth(songs, bands, 3.0))[:, None, None, :]

    def _smooth(self, songs: int, bands: int, spread: float) -> Tensor:
        """Random curves over the bands, ``(songs, bands)``, wiggling every ten bands or so."""
        knots = self._normal(songs, 1, 9, spread=spread)
        curve = torch.nn.functional.interpolate(
            knots, size=bands, mode="linear", align_corners=True
        )
        return curve[:, 0]

    def _rand(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator)

    def _normal(self, *shape: int, spread: float) -> Tensor:
        return torch.randn(shape, generator=self.generator) * spread

    def _uniform(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.generator))
