"""From a plan to stored answers: runs, blocks, executors, retrieval, replay."""
