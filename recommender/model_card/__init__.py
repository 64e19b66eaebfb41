"""What a run is, what it was learned from and how well it does for whom: its model card."""

FIGURES = (
    "hybrid_log_loss",
    "popularity_log_loss",
    "hybrid_ndcg_at_10",
    "popularity_ndcg_at_10",
    "predicted_rate",
    "observed_rate",
)
"""What every group is judged by, in the order in which it is shown."""
