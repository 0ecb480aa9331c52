"""What pages share: address, components, pictures, thumbnails, cached reads."""
