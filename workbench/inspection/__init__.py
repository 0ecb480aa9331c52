"""From a folder of images to stored predictions: archive, questions, retrieval, scoring."""
