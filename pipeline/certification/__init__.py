"""Proof that a cheaper tier is good enough: losses, bets, certificates, the plan made of them."""
