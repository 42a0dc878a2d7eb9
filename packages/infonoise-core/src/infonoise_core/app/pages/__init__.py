"""Reports as one HTML file each, which open offline."""
