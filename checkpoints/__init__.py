"""What is proven done: every durable object of a run, and the protocol that writes it.

Boundary: knows objects under two roots (`output`, `checkpoint`) through the `Store` protocol;
knows neither engines nor clouds nor documents' content. PROTOCOL.md says what holds and why.
"""
