"""Attacks on what the trust room promises, a small script each: each has to fail, and a refused one leaves a trace.

An attack that succeeds is marked ``xfail(strict=True)`` with the reason: whoever closes the hole takes the mark away.
"""
