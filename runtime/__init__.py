"""Packs at work: engines, sessions, generation, verdicts."""

from rulec.runtime.externals import BadExternal, Externals
from rulec.runtime.inputs import BadInput
from rulec.runtime.masks import Masked, replay
from rulec.runtime.reasons import Refusal
from rulec.runtime.sample import NoSample, Sampler, sample
from rulec.runtime.session import Refused, Session
from rulec.runtime.verdicts import Claim, Verdict
from rulec.runtime.verify import Verifier, verify

__all__ = [
    "BadExternal",
    "BadInput",
    "Claim",
    "Externals",
    "Masked",
    "NoSample",
    "Refusal",
    "Refused",
    "Sampler",
    "Session",
    "Verdict",
    "Verifier",
    "replay",
    "sample",
    "verify",
]
