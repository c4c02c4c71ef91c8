"""``trainwarden drill FAULT``: a scratch run meets a fault, and every link of the chain is timed.

The drill has a stack of its own beside the user's: the same programs, the same rendered configuration and the shipped
rules, with durations divided by one factor, in one folder that is gone afterwards. Only the readings of GPU,
RAM and the room on the disk are simulated, by sensors that nothing but the drill's own exporter knows.
"""
