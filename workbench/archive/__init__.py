"""From a folder to images, labels, masks, references and questions."""
