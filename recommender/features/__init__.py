"""From records to numbers, point in time.

``space`` makes the user vector (profile, readings), ``behaviour`` counts what was done before an
instant, ``actions`` describes actions. Training, nightly scores and live answers all call the
same functions.
"""
