"""A project of one's own data: what folders of photos and masks hold, and the configs made of it."""
