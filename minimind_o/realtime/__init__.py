"""Conversation in real time: frames from a microphone in, text and sound out."""

from minimind_o.realtime.host import Host
from minimind_o.realtime.session import Session, SessionSettings, State

__all__ = ["Host", "Session", "SessionSettings", "State"]
