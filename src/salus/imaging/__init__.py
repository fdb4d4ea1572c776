"""Measurements on images: volumes with true geometry, thumbnails, lung volume and density from CT."""
