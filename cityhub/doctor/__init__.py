"""The doctor: looks at everything a hub stands on and says of each part how it is and what to do next."""

from cityhub.doctor.finding import Finding, Verdict

__all__ = ["Finding", "Verdict"]
