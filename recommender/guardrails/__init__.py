"""What is safe to recommend: rules as data, a small checked language, verdicts and alerts.

``rules`` loads them, ``facts`` says what is known about people, ``check`` decides.
"""
