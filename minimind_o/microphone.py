"""What a microphone hears, where there is one."""

from __future__ import annotations

import io

import soundfile

from minimind_o.errors import UserError, first_line

SAMPLE_RATE = 16_000
MAX_SECONDS = 60.0


def record_microphone(seconds: float) -> bytes:
    """Record and return a WAV file.

    The package `sounddevice`, which moshi brings along, needs the PortAudio library.

    Raises:
        UserError: an impossible length, no such library, or no microphone.
    """
    if not 0 < seconds <= MAX_SECONDS:
        raise UserError(f"{seconds} s cannot be recorded: use 0 to {MAX_SECONDS:.0f}")
    try:
        import sounddevice
    except (ImportError, OSError):  # OSError: the library is not there
        raise UserError(
            "recording needs the PortAudio library (on Debian: apt install "
            "libportaudio2): install it, or give a file with --audio"
        ) from None
    print(f"recording {seconds:g} s: speak now", flush=True)
    try:
        samples = sounddevice.rec(
            round(seconds * SAMPLE_RATE), SAMPLE_RATE, channels=1, blocking=True
        )
    except sounddevice.PortAudioError as error:
        raise UserError(
            f"no microphone can be used ({first_line(error)}): give a file with --audio"
        ) from None
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()
