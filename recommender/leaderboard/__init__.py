"""Models and baselines side by side on held-out time: who would have ranked best, and for whom."""
