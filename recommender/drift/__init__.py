"""What has changed since the published run was trained: people, feeds, outcomes."""
