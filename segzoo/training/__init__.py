"""What trainers share: batches of samples, kept in memory or on the disk, and checkpoints."""
