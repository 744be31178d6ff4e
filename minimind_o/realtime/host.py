"""Several sessions on one model: each its own caches and codec stream, one worker.

The worker gives every session one piece of work in turn, so that nobody waits for
somebody else's whole answer; steps of the model and of the codec are made for all
sessions together (`minimind_o.generation.continuous_batch`).
"""

from __future__ import annotations

import copy
import logging
import sys
import threading
from collections.abc import Callable

from minimind_o.errors import UserError
from minimind_o.frozen.mimi import Mimi
from minimind_o.generation.continuous_batch import Codec, ContinuousBatch
from minimind_o.generation.engine import Engine, Request
from minimind_o.realtime.detectors import SileroDetector, VoiceDetector
from minimind_o.realtime.session import Session, SessionSettings, State

logger = logging.getLogger(__name__)

IDLE_S = 0.005
SWITCH_S = 0.0005


class Host:
    """Opens sessions and works for all of them on a thread of its own.

    Args:
        engine: whose model, tokenizer, codec and encoders they share.
        new_detector: makes a session's own detector.
        most_sessions: at a time.
    """

    def __init__(
        self,
        engine: Engine,
        new_detector: Callable[[], VoiceDetector] = SileroDetector,
        most_sessions: int = 4,
    ) -> None:
        # Python hands over between threads every 5 ms unless told otherwise: long where
        # one answers and others carry small messages with many hand-overs each.
        sys.setswitchinterval(SWITCH_S)
        engine.encoders.load_speech()  # the first question need not wait for it
        self._engine, self._new_detector = engine, new_detector
        self._batch = ContinuousBatch(engine.model, own_codec(engine.mimi))
        self._most = most_sessions
        self._sessions: list[Session] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ends = False
        self._worker = threading.Thread(target=self._run, name="answers", daemon=True)
        self._worker.start()

    def open(
        self, request: Request, settings: SessionSettings | None = None
    ) -> Session:
        """A new session whose answers have the request's voice, sampling and limits.

        Raises:
            UserError: there are as many as there may be.
        """
        with self._lock:
            if len(self._sessions) >= self._most:
                raise UserError(
                    f"{self._most} conversations are going on already: end one of them."
                )
            answerer = own_engine(self._engine, self._batch)
            session = Session(answerer, self._new_detector(), request, settings)
            self._sessions.append(session)
        self._wake.set()
        return session

    def close(self) -> None:
        """End all sessions and the worker."""
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.close()
        self._ends = True
        self._wake.set()
        self._worker.join()

    @property
    def num_sessions(self) -> int:
        """How many are open."""
        with self._lock:
            return len(self._sessions)

    def _run(self) -> None:
        while True:
            with self._lock:
                sessions = list(self._sessions)
            worked = [self._work_for(session) for session in sessions]
            if any(worked):
                continue
            if self._ends:
                return
            self._wake.wait(IDLE_S if sessions else None)
            self._wake.clear()

    def _work_for(self, session: Session) -> bool:
        try:
            worked = session.work()
        except Exception:
            logger.exception("A session ended on an error that is ours.")
            session.close()
            worked = session.work()
        if session.state is State.CLOSED and not worked:
            with self._lock:
                self._sessions.remove(session)
        return worked


def own_engine(engine: Engine, batch: ContinuousBatch | None = None) -> Engine:
    """An engine with caches of its own on the same weights.

    Args:
        engine: whose weights.
        batch: of which its answers are rows; None: of one with a codec stream of its
            own.
    """
    batch = batch or ContinuousBatch(engine.model, own_codec(engine.mimi))
    return Engine(
        engine.model,
        engine.tokenizer,
        batch.mimi,
        encoders=engine.encoders,
        max_length=engine.max_length,
        frames_per_call=engine.frames_per_call,
        batch=batch,
    )


def own_codec(mimi: Codec) -> Codec:
    """A codec whose streaming state is its own and whose weights are shared."""
    if not isinstance(mimi, Mimi):
        return mimi
    tensors = [*mimi.model.parameters(), *mimi.model.buffers()]
    shared = {id(tensor): tensor for tensor in tensors}
    return Mimi(copy.deepcopy(mimi.model, shared), mimi.config)
