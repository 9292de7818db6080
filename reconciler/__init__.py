"""How to get there: plan, apply and drift for VM image galleries."""

__version__ = "0.1.0"
